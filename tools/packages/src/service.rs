//! The gRPC service on `packages.sock`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aios_contracts::v1::{self, packages_server::Packages};
use aios_daemon::idle::Activity;
use aios_daemon::{Access, Callers, Who};
use tokio::process::Command;
use tonic::{Request, Response, Status};

use crate::shadow::Site;
use crate::{apt, transaction};

/// Found packages when no limit is given, and the most.
const FOUND: usize = 50;
const FOUND_MAX: usize = 1000;

/// The shadow in which lists are fetched.
const LISTS_SHADOW: &str = "lists";

/// The longest id.
const ID_MAX: usize = 64;

/// Who may call: aios-tools, for the calls that it runs, and root.
pub static ACCESS: Access<()> = Access::new(
    "Packages",
    &[(Who::Root, &[()]), (Who::Daemon("tools"), &[()])],
);

/// The service; cloning is cheap.
#[derive(Clone)]
pub struct Service {
    site: Arc<Site>,
    callers: Callers,
    /// Held by whoever works in a shadow: apt's lists and fetched packages are shared by all.
    working: Arc<tokio::sync::Mutex<()>>,
    activity: Activity,
}

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    /// Makes shadows in `site`. `callers` tells who calls.
    pub fn new(site: Site, callers: Callers) -> Self {
        Self {
            site: Arc::new(site),
            callers,
            working: Arc::default(),
            activity: Activity::default(),
        }
    }

    /// When it was last used.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    fn lists_ms(&self) -> i64 {
        let fetched = transaction::lists_fetched(&self.site);
        let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
        let ms = fetched.and_then(since).map(|time| time.as_millis());
        ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0)
    }
}

#[tonic::async_trait]
impl Packages for Service {
    async fn prepare(&self, request: Request<v1::PrepareRequest>) -> Answer<v1::PrepareResponse> {
        ACCESS.admit(&self.callers, &request, (), "Prepare")?;
        let _busy = self.activity.begin();
        let request = request.into_inner();
        check_id(&request.id)?;
        let order = request.order();
        if order == v1::PackageOrder::Unspecified {
            return Err(Status::invalid_argument("order: is missing"));
        }
        let _working = self.working.lock().await;
        let plan = transaction::prepare(&self.site, &request.id, order, &request.packages).await?;
        Ok(Response::new(v1::PrepareResponse {
            plan: plan.file.display().to_string(),
            packages: plan.packages,
            changes: plan.changes,
            bytes: plan.bytes,
        }))
    }

    async fn discard(&self, request: Request<v1::DiscardRequest>) -> Answer<v1::DiscardResponse> {
        ACCESS.admit(&self.callers, &request, (), "Discard")?;
        let _busy = self.activity.begin();
        let id = request.into_inner().id;
        check_id(&id)?;
        let site = Arc::clone(&self.site);
        tokio::task::spawn_blocking(move || site.discard(&id))
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| Status::internal(format!("the shadow cannot be removed: {error}")))?;
        Ok(Response::new(v1::DiscardResponse {}))
    }

    async fn search(&self, request: Request<v1::SearchRequest>) -> Answer<v1::SearchResponse> {
        ACCESS.admit(&self.callers, &request, (), "Search")?;
        let _busy = self.activity.begin();
        let request = request.into_inner();
        let limit = match usize::try_from(request.limit).unwrap_or(FOUND_MAX) {
            0 => FOUND,
            limit => limit.min(FOUND_MAX),
        };
        let found = search(&self.site, &request.words).await?;
        Ok(Response::new(v1::SearchResponse {
            more: found.len() > limit,
            packages: found.into_iter().take(limit).collect(),
            lists_ms: self.lists_ms(),
        }))
    }

    async fn refresh(&self, request: Request<v1::RefreshRequest>) -> Answer<v1::RefreshResponse> {
        ACCESS.admit(&self.callers, &request, (), "Refresh")?;
        let _busy = self.activity.begin();
        let _working = self.working.lock().await;
        let shadow = self
            .site
            .shadow(LISTS_SHADOW)
            .map_err(|error| Status::internal(format!("no shadow: {error}")))?;
        let updated = transaction::update(&self.site, &shadow).await;
        if let Err(error) = self.site.discard(LISTS_SHADOW) {
            tracing::warn!("a shadow is still there: {error}");
        }
        updated?;
        Ok(Response::new(v1::RefreshResponse {
            lists_ms: self.lists_ms(),
        }))
    }
}

fn check_id(id: &str) -> Result<(), Status> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match (1..=ID_MAX).contains(&id.len()) && id.chars().all(allowed) {
        true => Ok(()),
        false => Err(Status::invalid_argument(format!(
            "id: 1 to {ID_MAX} letters, digits or dashes"
        ))),
    }
}

/// All packages in the lists whose name or summary has all the words, by name.
async fn search(site: &Site, words: &[String]) -> Result<Vec<v1::FoundPackage>, Status> {
    let plain = |word: &&String| {
        let allowed = |c: char| c.is_alphanumeric() || "+-._ ".contains(c);
        !word.trim().is_empty() && word.chars().all(allowed)
    };
    if words.is_empty() || !words.iter().all(|word| plain(&word)) {
        return Err(Status::invalid_argument(
            "words: letters, digits, and any of + - . _",
        ));
    }
    // A word is a regular expression to apt: the dot and the plus stand for themselves.
    let escape = |word: &String| word.replace('.', "\\.").replace('+', "\\+");
    let listed = Command::new("apt-cache")
        .arg(format!("-oDir={}", site.root.display()))
        .arg(format!("-oDir::State::lists={}", site.lists().display()))
        .arg("-oDir::Cache::pkgcache=")
        .arg("-oDir::Cache::srcpkgcache=")
        .args(["search", "--"])
        .args(words.iter().map(escape))
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| Status::internal(format!("apt-cache: {error}")))?;
    let said = String::from_utf8_lossy(&listed.stderr);
    if !listed.status.success() {
        return Err(Status::failed_precondition(match apt::failure(&said) {
            apt::Failure::Other(why) | apt::Failure::Full(why) => why,
            apt::Failure::Unknown(why) | apt::Failure::Unreachable(why) => why,
        }));
    }
    let mut found: Vec<v1::FoundPackage> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| line.split_once(" - "))
        .map(|(name, summary)| v1::FoundPackage {
            name: name.to_owned(),
            summary: summary.to_owned(),
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
