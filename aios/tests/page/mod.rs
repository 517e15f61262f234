//! `docs/doors.md`, made from the tables that the daemons themselves go by.

use std::path::Path;

use aios_daemon::access::Known;
use aios_daemon::identity::{Principal, identities};
use aios_daemon::limits;
use aios_orchestrator::api::{incoming, roles, turns};
use aios_port::Limits;
use aios_roles::Deed;
use aios_tools::grpc::Right;
use aios_tools::pools;

/// The services on Unix sockets: the socket in `/run/aios`, and who may do what there.
pub const SOCKETS: [(&str, &dyn Known); 10] = [
    ("init.sock", &aios_roles::INIT_ACCESS),
    ("config.sock", &aios_configd::ACCESS),
    ("update.sock", &aios_update::service::ACCESS),
    ("packages.sock", &aios_packages::service::ACCESS),
    ("work.sock", &aios_work::service::ACCESS),
    ("runtime.sock", &aios_runtime::service::ACCESS),
    ("memory.sock", &aios_memory::access::ACCESS),
    ("tools.sock", &aios_tools::grpc::ACCESS),
    ("tools.sock", &aios_tools::emergency::ACCESS),
    ("agents/NAME.sock", &aios_agents::service::ACCESS),
];

const HEAD: &str = "\
# Doors, accounts, roles, limits

Made from the code by `cargo run -p aios --example doors > docs/doors.md`; a test (`aios/tests/doors.rs`) fails when they
differ. [security.md](security.md#who-may-ask-for-what) says what it means and how it is tested.
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in [
        accounts(),
        sockets(),
        places_at_sockets(),
        roles_of_methods(),
        places(),
        reads(),
    ] {
        page.push('\n');
        page.push_str(&section);
    }
    page
}

fn line(text: &mut String, cells: &[String]) {
    text.push_str(&format!("| {} |\n", cells.join(" | ")));
}

fn table(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let headings: Vec<String> = headings.iter().map(ToString::to_string).collect();
    let mut text = String::new();
    line(&mut text, &headings);
    text.push_str(&format!("|{}\n", "---|".repeat(headings.len())));
    for row in rows {
        line(&mut text, &row);
    }
    text
}

/// Accounts, and the services that run as each, by their manifests.
fn accounts() -> String {
    let services = services();
    let of = |account: &str| {
        let of = services.iter().filter(|(_, user)| user == account);
        of.map(|(name, _)| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut rows = vec![vec![
        "root".to_owned(),
        "0".to_owned(),
        "root".to_owned(),
        of("root"),
    ]];
    rows.extend(identities().iter().map(|one| {
        let services = match Principal::from_uid(one.uid) {
            Principal::Agent(name) => format!("`agent-{name}`"),
            _ => of(&one.name),
        };
        vec![
            one.name.clone(),
            one.uid.to_string(),
            Principal::from_uid(one.uid).to_string(),
            services,
        ]
    }));
    format!(
        "## Accounts\n\nThe kernel says by uid who is on the other end of a Unix socket (`proto/identities.toml`). Any other uid is \
         `uid:N` and in no table.\n\n{}",
        table(
            &["account", "uid", "in tables and the ledger", "services"],
            rows
        )
    )
}

/// Name and account of each service of the image.
fn services() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/etc/aios/services");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut services: Vec<_> = entries
        .filter_map(|entry| manifest(&entry.path()))
        .collect();
    services.sort();
    services
}

fn manifest(path: &Path) -> Option<(String, String)> {
    let manifest: toml::Table = std::fs::read_to_string(path).ok()?.parse().ok()?;
    let text = |key: &str| manifest.get(key)?.as_str().map(str::to_owned);
    Some((text("name")?, text("user")?))
}

fn sockets() -> String {
    let rows = SOCKETS.iter().flat_map(|(socket, access)| {
        access.rows().into_iter().map(move |(who, rights)| {
            let rights = match rights.as_slice() {
                [one] if one == "()" => "every method".to_owned(),
                rights => rights.join(", "),
            };
            vec![
                format!("`{socket}`"),
                access.service().to_owned(),
                who,
                rights,
            ]
        })
    });
    let meaning = Right::ALL.iter().map(|right| {
        let of = aios_tools::grpc::METHODS
            .iter()
            .filter(|(_, needs)| needs == right);
        let methods: Vec<&str> = of.map(|(method, _)| *method).collect();
        vec![format!("Tools: {right:?}"), methods.join(", ")]
    });
    let deeds = Deed::ALL
        .iter()
        .map(|deed| vec![format!("Init: {deed:?}"), deed.says().to_owned()]);
    format!(
        "## Unix sockets\n\nIn `/run/aios`. Who is in no row of a socket is closed when it connects.\n\n{}\n\
         A right that is not a method of that name:\n\n{}",
        table(&["socket", "service", "who", "may"], rows.collect()),
        table(&["right", "methods"], meaning.chain(deeds).collect()),
    )
}

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes / 1024)
}

fn mib(bytes: usize) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

fn places_at_sockets() -> String {
    let row = |who: &str, connections: usize, bytes: usize| {
        vec![
            who.to_owned(),
            connections.to_string(),
            limits::STREAMS.to_string(),
            kib(limits::SMALL),
            mib(bytes),
        ]
    };
    let rows = vec![
        row("an agent", limits::AGENT_CONNECTIONS, limits::AGENT_BYTES),
        row(
            "any other account of its tables",
            limits::CONNECTIONS,
            limits::BYTES,
        ),
    ];
    let headings = [
        "who",
        "connections",
        "requests at once on each",
        "a message to most methods",
        "larger messages under way",
    ];
    format!(
        "## Places at a daemon's socket\n\n{}",
        table(&headings, rows)
    )
}

fn roles_of_methods() -> String {
    let of = |role: roles::Role, more: &str| {
        let rows = roles::TABLE.iter().filter(|(_, least)| *least == role);
        let methods: Vec<&str> = rows.map(|(name, _)| *name).collect();
        vec![role.to_string(), format!("{}{more}", methods.join(", "))]
    };
    let rows = vec![
        of(roles::Role::Viewer, ""),
        of(roles::Role::Operator, ""),
        of(
            roles::Role::Admin,
            ", and every method that is not listed here",
        ),
    ];
    format!(
        "## Roles on port 9090\n\nEach role may also do what the roles before it may. The role is looked at before a byte of the \
         request's body is read (`orchestrator/src/api/gate.rs`).\n\n{}",
        table(&["role", "methods"], rows)
    )
}

fn places() -> String {
    let (api, maintenance) = (incoming::LIMITS, aios_maintenance::LIMITS);
    let row = |stage: &str, of: &dyn Fn(&Limits) -> String| {
        vec![stage.to_owned(), of(&api), of(&maintenance)]
    };
    let silence = aios_port::accept::SILENCE.as_secs();
    let handshake = aios_port::accept::HANDSHAKE.as_secs();
    let rows = vec![
        row(
            &format!("connected, no whole first message yet ({silence} s)"),
            &|limits| {
                format!(
                    "{}, of one source {}",
                    limits.silent, limits.silent_of_source
                )
            },
        ),
        row(&format!("handshake ({handshake} s)"), &|limits| {
            format!(
                "{}, of one source {}",
                limits.handshakes, limits.handshakes_of_source
            )
        }),
        row(
            "connections of one holder: a certificate, or in maintenance mode a source",
            &|limits| limits.connections_of_holder.to_string(),
        ),
        row("all connections", &|limits| limits.connections.to_string()),
        row("of these kept for operators and admins", &|limits| {
            limits.kept_for_operators.to_string()
        }),
        row("and for admins alone", &|limits| {
            limits.kept_for_admins.to_string()
        }),
    ];
    format!(
        "## Places on port 9090\n\n{}",
        table(&["stage", "management API", "maintenance mode"], rows)
    )
}

fn reads() -> String {
    let row = |what: &str, most: usize| vec![what.to_owned(), most.to_string()];
    let rows = vec![
        row("reads of the ledger of one certificate", turns::OF_LEDGER),
        row("requests for logs of one certificate", turns::OF_LOGS),
        row(
            "reads with large answers of one certificate",
            turns::OF_LARGE,
        ),
        row("other reads of one certificate", turns::OTHERS),
        row(
            "reads of the ledger in aios-tools, a verification besides",
            pools::READS,
        ),
        row("exports of the ledger in aios-tools", pools::EXPORTS),
        row(
            "calls of one account that have a thread in aios-tools",
            pools::CALLS_OF_CALLER,
        ),
        row("threads of aios-tools", pools::THREADS),
    ];
    format!(
        "## Reads and calls at once\n\n{}",
        table(&["what", "at once"], rows)
    )
}
