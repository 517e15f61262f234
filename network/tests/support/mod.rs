//! Two network namespaces, "inside" with the daemon and "outside" with whoever talks to it.

#![allow(dead_code, reason = "no file of tests needs all of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aios_network::state::{InterfaceState, State};
use aios_testkit::needs;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// On a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(40);

pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Root, and these programs.
pub fn has_programs(programs: &[&str]) -> bool {
    needs::root() && needs::programs(programs)
}

/// dhcpcd has one set of files for all of a machine: its tests run one after the other. Until
/// this is dropped.
pub fn alone_with_dhcpcd() -> File {
    let path = std::env::temp_dir().join("aios-network-dhcpcd.lock");
    let file = File::create(path).unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
    file
}

/// Has this kernel such interfaces?
pub fn can_make(kind: &str) -> bool {
    let make = match kind {
        "vlan" => {
            "ip link add x0 type veth peer name x1 && ip link add link x0 name x7 type vlan id 7"
        }
        _ => "ip link add x0 type bond",
    };
    let made = Command::new("unshare")
        .args(["--net", "sh", "-c", make])
        .output()
        .unwrap();
    needs::kernel(kind, made.status.success(), "qemu/tests/links.rs")
}

/// One interface with an address of its own.
pub const FIXED: &str =
    "[[network.interface]]\nname = \"eth0\"\naddresses = [\"10.77.0.2/24\"]\nipv6 = \"off\"\n";

pub struct World {
    inside: String,
    outside: String,
    folder: tempfile::TempDir,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl World {
    pub fn new(name: &str, programs: &[&str]) -> Option<Self> {
        if !has_programs(programs) || !has_programs(&["ip"]) {
            return None;
        }
        let id = format!(
            "{name}{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let world = Self {
            inside: format!("ai{id}"),
            outside: format!("ao{id}"),
            folder: tempfile::tempdir().unwrap(),
        };
        for name in [&world.inside, &world.outside] {
            run(&["ip", "netns", "add", name]);
        }
        world.inside(&["ip", "link", "set", "lo", "up"]);
        Some(world)
    }

    /// The DHCP client's processes.
    pub fn clients(&self) -> Vec<u32> {
        let all = run(&["ip", "netns", "pids", &self.inside]);
        let is_client = |pid: &u32| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == "dhcpcd")
        };
        let pids = all.lines().filter_map(|line| line.trim().parse().ok());
        pids.filter(is_client).collect()
    }

    /// Connects both by a cable: `eth0` inside, `peer` (10.77.0.1) outside.
    pub fn plug(&self) {
        run(&[
            "ip",
            "link",
            "add",
            "eth0",
            "netns",
            &self.inside,
            "type",
            "veth",
            "peer",
            "name",
            "peer",
            "netns",
            &self.outside,
        ]);
        self.outside(&["ip", "address", "add", "10.77.0.1/24", "dev", "peer"]);
        self.outside(&["ip", "address", "add", "fd77::1/64", "dev", "peer"]);
        self.outside(&["ip", "link", "set", "peer", "up"]);
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.folder.path().join("config.toml"), text).unwrap();
    }

    /// The file of the operator's firewall rules.
    pub fn operators_rules(&self) -> PathBuf {
        self.folder.path().join("firewall.rules")
    }

    pub fn daemon(&self, config: &str) -> Background {
        self.configure(config);
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.inside,
            env!("CARGO_BIN_EXE_aios-network"),
        ]);
        command.env("AIOS_RUN_DIR", self.folder.path());
        command.env("AIOS_ETC_DIR", self.folder.path());
        command.env("AIOS_RESOLV_CONF", self.resolv_conf());
        command.env("AIOS_FIREWALL_RULES", self.operators_rules());
        Background(command.spawn().unwrap())
    }

    /// What the daemon keeps for the next one.
    pub fn kept(&self, name: &str) -> PathBuf {
        self.folder.path().join("network").join(name)
    }

    /// Does the daemon tell of a problem with this in its words?
    pub fn has_problem(&self, text: &str) -> bool {
        self.state()
            .is_some_and(|state| state.problems.iter().any(|problem| problem.contains(text)))
    }

    pub fn resolv_conf(&self) -> PathBuf {
        self.folder.path().join("resolv.conf")
    }

    pub fn state_file(&self) -> PathBuf {
        self.folder.path().join("network.json")
    }

    pub fn state(&self) -> Option<State> {
        let text = std::fs::read_to_string(self.state_file()).ok()?;
        serde_json::from_str(&text).ok()
    }

    pub fn interface(&self) -> Option<InterfaceState> {
        self.state()?
            .interfaces
            .into_iter()
            .find(|interface| interface.name == "eth0")
    }

    pub fn address(&self) -> Option<std::net::IpAddr> {
        Some(self.interface()?.addresses.first()?.addr())
    }

    pub fn inside(&self, command: &[&str]) -> String {
        run(&[&["ip", "netns", "exec", &self.inside], command].concat())
    }

    pub fn outside(&self, command: &[&str]) -> String {
        run(&[&["ip", "netns", "exec", &self.outside], command].concat())
    }

    pub fn outside_in_background(&self, command: &[&str]) -> Background {
        let mut ip = Command::new("ip");
        ip.args(["netns", "exec", &self.outside]).args(command);
        Background(ip.spawn().unwrap())
    }

    /// An echo server inside.
    pub fn listen(&self, port: u16) {
        let listener = within(&self.inside, move || {
            TcpListener::bind(("0.0.0.0", port)).unwrap()
        });
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 64];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        stream.write_all(&buffer[..count]).unwrap();
                    }
                });
            }
        });
    }

    /// From outside to the daemon's fixed address.
    pub fn connect(&self, port: u16) -> Option<TcpStream> {
        within(&self.outside, move || {
            let to = SocketAddr::from(([10, 77, 0, 2], port));
            TcpStream::connect_timeout(&to, Duration::from_millis(1500)).ok()
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in [&self.inside, &self.outside] {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

/// A socket belongs to the namespace in which it was made, whoever uses it later.
fn within<T: Send + 'static>(namespace: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
    std::thread::spawn(move || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        act()
    })
    .join()
    .unwrap()
}

/// A process that ends with the test.
pub struct Background(Child);

impl Background {
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub fn hangup(&mut self) {
        self.signal(rustix::process::Signal::HUP);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.signal(rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

fn run(command: &[&str]) -> String {
    let output = Command::new(command[0])
        .args(&command[1..])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // `ip address show` of what is not there yet is waited for.
    if !output.status.success() && !command.contains(&"show") {
        panic!("{command:?}: {said}");
    }
    String::from_utf8(output.stdout).unwrap()
}
