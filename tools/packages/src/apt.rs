//! The command lines of apt-get(8), and what its failures mean.

use aios_contracts::v1::PackageOrder;

/// How apt is to behave in a shadow: it asks nothing, takes exact names only, keeps the operator's
/// configuration files, and writes its logs where they vanish.
const MANNERS: [&str; 14] = [
    "-y",
    "-q",
    "-oAPT::Cmd::Pattern-Only=true",
    "-oAPT::Install-Recommends=false",
    "-oAPT::Install-Suggests=false",
    "-oDir::Log=/tmp",
    "-oDir::Log::Planner=",
    "-oDpkg::Use-Pty=false",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
    "-oDpkg::Options::=--force-unsafe-io",
    "-oDpkg::Options::=--log=/tmp/dpkg.log",
    "-oAcquire::Retries=2",
    "-oAcquire::http::Timeout=30",
];

/// What the shadow throws away or keeps elsewhere, so that it is not left behind by apt.
const PROGRAM: &str = "apt-get";

/// Fetches the lists.
pub fn update() -> Vec<String> {
    words(&["update", "-oAPT::Update::Error-Mode=any"], &[])
}

/// Fetches what the order needs, and changes nothing.
pub fn fetch(order: PackageOrder, packages: &[String]) -> Vec<String> {
    let [verb, rest @ ..] = verb(order, packages);
    words(&[&[verb, "--download-only"][..], &rest].concat(), packages)
}

/// Does what the order says, with what was fetched. (Not with `--no-download`, which finds no package
/// of a `file:` source; there is no network where this runs.)
pub fn act(order: PackageOrder, packages: &[String]) -> Vec<String> {
    words(&verb(order, packages), packages)
}

/// Does the order need anything that is fetched?
pub fn fetches(order: PackageOrder) -> bool {
    matches!(order, PackageOrder::Install | PackageOrder::Upgrade)
}

fn verb(order: PackageOrder, packages: &[String]) -> [&'static str; 2] {
    match order {
        PackageOrder::Remove => ["remove", "--no-auto-remove"],
        PackageOrder::Purge => ["purge", "--no-auto-remove"],
        PackageOrder::Autoremove => ["autoremove", "--no-purge"],
        PackageOrder::Upgrade if packages.is_empty() => ["upgrade", "--with-new-pkgs"],
        PackageOrder::Upgrade => ["install", "--only-upgrade"],
        // What an installation would take away is named instead: it is never what was asked for.
        PackageOrder::Install | PackageOrder::Unspecified => ["install", "--no-remove"],
    }
}

fn words(verb: &[&str], packages: &[String]) -> Vec<String> {
    let own = [PROGRAM].into_iter().chain(MANNERS).chain(verb.to_vec());
    own.map(str::to_owned)
        .chain((!packages.is_empty()).then(|| "--".to_owned()))
        .chain(packages.iter().cloned())
        .collect()
}

/// Why an order was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No package has this name.
    Unknown(String),
    /// There is no room.
    Full(String),
    /// Nothing could be fetched.
    Unreachable(String),
    /// Anything else, in apt's words.
    Other(String),
}

/// The longest reason, in characters.
const REASON_MAX: usize = 1200;

/// Reads from what apt and dpkg said why they failed.
pub fn failure(said: &str) -> Failure {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let unable = lines.iter().find_map(|line| {
        let name = line.strip_prefix("E: Unable to locate package ");
        name.or_else(|| {
            line.strip_prefix("E: Package '")?
                .strip_suffix("' has no installation candidate")
        })
    });
    if let Some(name) = unable {
        return Failure::Unknown(name.to_owned());
    }
    let reason = reason(&lines);
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["No space left on device", "enough free space"]) {
        Failure::Full(reason)
    } else if says(&[
        "Temporary failure resolving",
        "Could not connect",
        "Unable to connect",
        "Failed to fetch",
        "Network is unreachable",
    ]) {
        Failure::Unreachable(reason)
    } else {
        Failure::Other(reason)
    }
}

/// The lines that say why, in their order: unmet dependencies, dpkg's errors, apt's errors.
fn reason(lines: &[&str]) -> String {
    let is_error = |line: &&&str| {
        ["E: ", "dpkg: error", "W: Failed"]
            .iter()
            .any(|begin| line.starts_with(begin))
            || line.contains("Depends:")
            || line.contains("Conflicts:")
            || line.contains("returned error exit status")
    };
    let mut said: Vec<&str> = lines.iter().filter(is_error).copied().collect();
    said.dedup();
    if said.is_empty() {
        said = lines.iter().rev().take(3).rev().copied().collect();
    }
    let joined = said.join("; ");
    match joined.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &joined[..end]),
        None => joined,
    }
}

/// Is it the name of one package, which apt takes as nothing else?
///
/// # Errors
/// Says why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let begins = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(2..=128).contains(&name.len()) || !name.chars().all(allowed) || !name.starts_with(begins) {
        return Err(format!(
            "{name:?} is no name of a package: letters, digits, and any of + - ."
        ));
    }
    // To apt, `name-` is an order to remove it.
    match name.ends_with('-') {
        true => Err(format!("{name:?}: no name of a package ends with -")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_behind_all_options() {
        let names = ["nginx".to_owned()];
        for order in [PackageOrder::Install, PackageOrder::Purge] {
            let words = act(order, &names);
            assert_eq!(words[words.len() - 2..], ["--", "nginx"]);
        }
        let all = act(PackageOrder::Upgrade, &[]);
        assert!(all.contains(&"upgrade".to_owned()) && !all.contains(&"--".to_owned()));
        let fetched = fetch(PackageOrder::Install, &names);
        assert!(fetched.contains(&"--download-only".to_owned()));
        assert!(fetched.contains(&"--no-remove".to_owned()));
    }

    #[test]
    fn a_name_is_never_an_order_of_its_own() {
        for name in ["nginx", "g++", "libstdc++6", "0ad", "a.b"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "", "a", "-x", "nginx-", "nginx=1", "a/b", "~n", "a b", "É", "A",
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn failures_say_what_a_person_has_to_know() {
        let check = |said: &str, expected: Failure| assert_eq!(failure(said), expected);
        check(
            "Reading…\nE: Unable to locate package ngnix\n",
            Failure::Unknown("ngnix".into()),
        );
        check(
            "E: Package 'x' has no installation candidate",
            Failure::Unknown("x".into()),
        );
        check(
            "E: You don't have enough free space in /var/cache/apt/archives/.",
            Failure::Full(
                "E: You don't have enough free space in /var/cache/apt/archives/.".into(),
            ),
        );
        check(
            "Err:1 …\nE: Failed to fetch http://x  Temporary failure resolving 'x'\n",
            Failure::Unreachable(
                "E: Failed to fetch http://x  Temporary failure resolving 'x'".into(),
            ),
        );
        check(
            "dpkg: error processing package a (--configure):\n installed a package post-installation \
             script subprocess returned error exit status 1\nE: Sub-process failed",
            Failure::Other(
                "dpkg: error processing package a (--configure):; installed a package \
                 post-installation script subprocess returned error exit status 1; E: Sub-process failed"
                    .into(),
            ),
        );
        check("one\ntwo", Failure::Other("one; two".into()));
    }
}
