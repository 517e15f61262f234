//! One order, from its names to its plan.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aios_contracts::v1::{PackageChange, PackageOrder};
use aios_tool::changes::Planned;
use aios_tool::error::ToolError;

use crate::apt::{self, Failure};
use crate::collect;
use crate::database::{self, Package};
use crate::shadow::{Network, Shadow, Site};

/// So long fetching may take.
const FETCH_LIMIT: Duration = Duration::from_secs(900);
/// So long unpacking and all scripts may take.
const ACT_LIMIT: Duration = Duration::from_secs(1200);
/// Lists that are older are fetched again before an order, if that is possible.
const LISTS_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// What an order changes.
#[derive(Debug)]
pub struct Plan {
    /// The file that holds the changes.
    pub file: PathBuf,
    /// Packages that come, go, or change their version.
    pub packages: Vec<PackageChange>,
    /// How many changes there are.
    pub changes: u64,
    /// What the disk needs, in bytes.
    pub bytes: i64,
}

/// Finds out what the order changes. When it fails, nothing is left of it.
///
/// # Errors
/// `NotFound`, `Precondition`, `Denied`: what stands in the way, in words for the operator.
pub async fn prepare(
    site: &Site,
    id: &str,
    order: PackageOrder,
    packages: &[String],
) -> Result<Plan, ToolError> {
    let prepared = prepared(site, id, order, packages).await;
    if prepared.is_err()
        && let Err(error) = site.discard(id)
    {
        tracing::warn!("a shadow that failed is still there: {error}");
    }
    prepared
}

async fn prepared(
    site: &Site,
    id: &str,
    order: PackageOrder,
    packages: &[String],
) -> Result<Plan, ToolError> {
    let installed = database::installed_in(&site.root)?;
    check(order, packages, &installed)?;
    let shadow = site
        .shadow(id)
        .map_err(|error| ToolError::io("making a shadow of the root", error))?;
    if apt::fetches(order) {
        fetch(site, &shadow, order, packages).await?;
    }
    tracing::info!("{order:?} {}: in the shadow", packages.join(" "));
    run(
        &shadow,
        Network::None,
        ACT_LIMIT,
        &apt::act(order, packages),
    )
    .await?;
    let (shadow, before) = (shadow.clone(), installed);
    tokio::task::spawn_blocking(move || plan(&shadow, &before))
        .await
        .map_err(|error| ToolError::Failed(format!("reading the shadow: {error}")))?
}

/// Refuses what apt would understand otherwise than it was said.
fn check(order: PackageOrder, packages: &[String], installed: &[Package]) -> Result<(), ToolError> {
    packages
        .iter()
        .try_for_each(|name| apt::check_name(name).map_err(ToolError::Invalid))?;
    let takes_away = matches!(order, PackageOrder::Remove | PackageOrder::Purge);
    let needs_names = takes_away || order == PackageOrder::Install;
    if packages.is_empty() && needs_names {
        return Err(ToolError::Invalid("packages: none is named".to_owned()));
    }
    let is_there = |name: &String| installed.iter().any(|package| package.name == *name);
    match packages.iter().find(|name| !is_there(name)) {
        Some(name) if takes_away || order == PackageOrder::Upgrade => {
            Err(ToolError::Precondition(format!("{name} is not installed")))
        }
        _ => Ok(()),
    }
}

/// Fetches the packages; with fresh lists when those that are there are old or do not know them.
async fn fetch(
    site: &Site,
    shadow: &Shadow,
    order: PackageOrder,
    packages: &[String],
) -> Result<(), ToolError> {
    let age = lists_fetched(site).and_then(|fetched| fetched.elapsed().ok());
    let mut fresh = false;
    if age.is_none_or(|age| age > LISTS_MAX_AGE) {
        let fetched = update(site, shadow).await;
        match (fetched, age) {
            (Ok(()), _) => fresh = true,
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => tracing::warn!("the lists stay as they are: {error}"),
        }
    }
    let words = apt::fetch(order, packages);
    let fetched = run(shadow, Network::Machine, FETCH_LIMIT, &words).await;
    match fetched {
        Err(ToolError::NotFound(_) | ToolError::Unavailable(_)) if !fresh => {
            update(site, shadow).await?;
            run(shadow, Network::Machine, FETCH_LIMIT, &words).await
        }
        fetched => fetched,
    }
}

/// Fetches the lists.
///
/// # Errors
/// When they cannot be had.
pub async fn update(site: &Site, shadow: &Shadow) -> Result<(), ToolError> {
    run(shadow, Network::Machine, FETCH_LIMIT, &apt::update()).await?;
    std::fs::write(site.fetched(), "")
        .map_err(|error| ToolError::io("noting that the lists are fresh", error))
}

/// When the lists were fetched; `None`: never.
pub fn lists_fetched(site: &Site) -> Option<SystemTime> {
    site.fetched().metadata().ok()?.modified().ok()
}

async fn run(
    shadow: &Shadow,
    network: Network,
    limit: Duration,
    words: &[String],
) -> Result<(), ToolError> {
    let ended = shadow
        .run(network, limit, words)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::TimedOut => ToolError::Deadline(error.to_string()),
            _ => ToolError::io("apt in the shadow", error),
        })?;
    if ended.succeeded {
        return Ok(());
    }
    Err(match apt::failure(&ended.said) {
        Failure::Unknown(name) => ToolError::NotFound(format!(
            "no package {name} can be had; pkg.search finds names"
        )),
        Failure::Full(why) => {
            ToolError::Precondition(format!("nothing was changed: there is no room: {why}"))
        }
        Failure::Unreachable(why) => ToolError::Unavailable(format!(
            "nothing was changed: packages cannot be fetched: {why}"
        )),
        Failure::Other(why) => ToolError::Precondition(format!("nothing was changed: {why}")),
    })
}

/// Reads what was written in the shadow, and keeps it as the plan.
fn plan(shadow: &Shadow, before: &[Package]) -> Result<Plan, ToolError> {
    let planned = collect::changes(&shadow.upper(), shadow.root())?;
    let after = database::installed_in(&shadow.upper()).or_else(|error| match error {
        // The database was not written: nothing was done.
        _ if planned.is_empty() => Ok(before.to_vec()),
        error => Err(error),
    })?;
    let packages = compare(before, &after);
    let file = shadow.plan();
    keep(&file, &planned).map_err(|error| ToolError::io("keeping the plan", error))?;
    Ok(Plan {
        packages,
        changes: planned.len() as u64,
        bytes: collect::bytes(shadow.root(), &planned),
        file,
    })
}

fn keep(file: &Path, planned: &[Planned]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    for one in planned {
        serde_json::to_writer(&mut out, one)?;
        out.write_all(b"\n")?;
    }
    // With the contents beside it: after a power cut the act goes on from here.
    rustix::fs::syncfs(out.into_inner()?)?;
    Ok(())
}

/// What of the packages differs, by name.
pub fn compare(before: &[Package], after: &[Package]) -> Vec<PackageChange> {
    let version = |packages: &[Package], name: &str| {
        let found = packages.iter().find(|package| package.name == name);
        found
            .map(|package| package.version.clone())
            .unwrap_or_default()
    };
    let mut names: Vec<&str> = before
        .iter()
        .chain(after)
        .map(|package| package.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    let change = |name: &str| PackageChange {
        name: name.to_owned(),
        before: version(before, name),
        after: version(after, name),
    };
    names
        .into_iter()
        .map(change)
        .filter(|change| change.before != change.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            ..Package::default()
        }
    }

    #[test]
    fn packages_that_come_go_or_change_are_told() {
        let before = [package("a", "1"), package("b", "1"), package("c", "1")];
        let after = [package("a", "1"), package("b", "2"), package("d", "1")];
        let told: Vec<_> = compare(&before, &after)
            .into_iter()
            .map(|one| (one.name, one.before, one.after))
            .collect();
        let line = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            told,
            [line("b", "1", "2"), line("c", "1", ""), line("d", "", "1")]
        );
    }

    #[test]
    fn only_what_is_installed_is_removed() {
        let installed = [package("nginx", "1")];
        let names = |name: &str| vec![name.to_owned()];
        let check = |order, packages: &[String]| check(order, packages, &installed).is_ok();
        assert!(check(PackageOrder::Remove, &names("nginx")));
        assert!(!check(PackageOrder::Remove, &names("redis")));
        assert!(!check(PackageOrder::Remove, &[]));
        assert!(!check(PackageOrder::Install, &names("nginx-")));
        assert!(check(PackageOrder::Install, &names("redis")));
        assert!(check(PackageOrder::Upgrade, &[]));
    }
}
