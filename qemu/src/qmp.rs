//! A virtual machine's front panel, by QEMU's machine protocol
//! (<https://www.qemu.org/docs/master/interop/qmp-spec.html>).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// QEMU answers at once, or hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// A connection to a running QEMU.
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        // By a short name: the path of a Unix socket has at most 107 bytes.
        let folder = std::fs::File::open(socket.parent().context("no folder")?)?;
        let name = socket.file_name().context("no name")?.to_string_lossy();
        let short = format!(
            "/proc/self/fd/{}/{name}",
            std::os::fd::AsRawFd::as_raw_fd(&folder)
        );
        let stream = UnixStream::connect(short).with_context(|| socket.display().to_string())?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        qmp.read()?; // its greeting
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// When QEMU does not answer, or refuses.
    pub fn press_power_button(&mut self) -> Result<()> {
        self.execute("system_powerdown", json!({})).map(drop)
    }

    /// Presses the reset button: memory stays, everything else starts anew.
    ///
    /// # Errors
    /// As [`Qmp::press_power_button`].
    pub fn reset(&mut self) -> Result<()> {
        self.execute("system_reset", json!({})).map(drop)
    }

    /// Plugs the network cable in, or out.
    ///
    /// # Errors
    /// As [`Qmp::press_power_button`].
    pub fn plug_network(&mut self, in_: bool) -> Result<()> {
        self.execute("set_link", json!({ "name": "nic0", "up": in_ }))
            .map(drop)
    }

    /// Lets a machine that was started paused go.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.execute("cont", json!({})).map(drop)
    }

    /// Any command of the protocol, and what it returned.
    ///
    /// # Errors
    /// As [`Qmp::press_power_button`].
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream.get_mut(), "{request}")?;
        loop {
            let answer = self.read()?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {command}: {}", error["desc"]);
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            // Else: an event, which nobody waits for.
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        if read.context("QEMU does not answer")? == 0 {
            bail!("QEMU has ended");
        }
        Ok(serde_json::from_str(&line)?)
    }
}
