//! The gRPC service on `update.sock`, and when it has nothing left to do.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::{self, InstallStage, update_server::Update};
use aios_daemon::idle::{Activity, Busy};
use aios_daemon::{Access, Callers, Who};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::error::Failure;
use crate::install::{Progress, Site};
use crate::place::NoSlots;
use crate::slots::{Slot, State};

/// Pieces of a bundle that wait to be written: the sender goes no faster than the disk.
const WAITING: usize = 4;

/// Between two reports of progress, bytes.
const REPORT_EVERY: u64 = 1 << 20;

/// How long the next piece of a bundle may take, seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may call: the orchestrator for operators, and root.
pub static ACCESS: Access<()> = Access::new(
    "Update",
    &[(Who::Root, &[()]), (Who::Daemon("orchestrator"), &[()])],
);

/// The service; cloning is cheap.
#[derive(Clone)]
pub struct Service {
    site: Arc<Result<Site, NoSlots>>,
    callers: Callers,
    /// Held by whoever changes the slots.
    changing: Arc<tokio::sync::Mutex<()>>,
    activity: Activity,
}

type Answer<T> = Result<Response<T>, Status>;
type Reports = mpsc::Sender<Result<v1::InstallProgress, Status>>;

impl Service {
    /// For the slots of `site`, called by those whom `callers` finds.
    pub fn new(site: Result<Site, NoSlots>, callers: Callers) -> Self {
        Self {
            site: Arc::new(site),
            callers,
            changing: Arc::default(),
            activity: Activity::default(),
        }
    }

    /// When it was last used.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// The slots, for somebody who may ask.
    fn admit<T>(&self, request: &Request<T>, method: &str) -> Result<(Site, Busy), Status> {
        ACCESS.admit(&self.callers, request, (), method)?;
        let site = self
            .site
            .as_ref()
            .clone()
            .map_err(|error| status(&error.into()))?;
        Ok((site, self.activity.begin()))
    }

    fn change(&self) -> Result<tokio::sync::OwnedMutexGuard<()>, Status> {
        Arc::clone(&self.changing).try_lock_owned().map_err(|_| {
            Status::failed_precondition("nothing was changed: another update is being installed")
        })
    }

    async fn quick<T>(
        &self,
        request: Request<T>,
        method: &str,
        changes: bool,
        act: fn(&Site) -> Result<State, Failure>,
    ) -> Answer<v1::Slots> {
        let (site, _busy) = self.admit(&request, method)?;
        let _changing = if changes { Some(self.change()?) } else { None };
        let state = blocking(move || act(&site)).await?;
        Ok(Response::new(slots(&state)))
    }
}

#[tonic::async_trait]
impl Update for Service {
    type InstallStream = Pin<Box<dyn Stream<Item = Result<v1::InstallProgress, Status>> + Send>>;

    async fn get_slots(&self, request: Request<v1::GetSlotsRequest>) -> Answer<v1::Slots> {
        self.quick(request, "GetSlots", false, Site::state).await
    }

    async fn rollback(&self, request: Request<v1::RollbackRequest>) -> Answer<v1::Slots> {
        self.quick(request, "Rollback", true, Site::roll_back).await
    }

    async fn mark_good(&self, request: Request<v1::MarkGoodRequest>) -> Answer<v1::Slots> {
        self.quick(request, "MarkGood", true, Site::mark_good).await
    }

    async fn install(
        &self,
        request: Request<Streaming<v1::InstallRequest>>,
    ) -> Answer<Self::InstallStream> {
        let (site, busy) = self.admit(&request, "Install")?;
        let changing = self.change()?;
        let (reports, stream) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let done = install(site, request.into_inner(), reports.clone()).await;
            let last = done.map(|state| v1::InstallProgress {
                stage: InstallStage::Done.into(),
                slots: Some(slots(&state)),
                ..Default::default()
            });
            if let Err(status) = &last {
                tracing::warn!("no update was installed: {}", status.message());
            }
            // Before the answer: who has it may order the next thing.
            drop((changing, busy));
            drop(reports.send(last).await); // Err: nobody listens any more.
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Leads a stream to the thread that installs.
async fn install(
    site: Site,
    mut stream: Streaming<v1::InstallRequest>,
    reports: Reports,
) -> Result<State, Status> {
    let first = received(&mut stream)
        .await?
        .ok_or_else(|| Status::invalid_argument("the order is empty"))?;
    let (pieces, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
    let size = first.size;
    let thread = blocking(move || {
        let mut reported = None;
        site.install(size, &mut || waiting.blocking_recv(), &mut |progress| {
            report(progress, &mut reported, &reports)
        })
    });
    let feed = async move {
        let mut next = Some(first);
        while let Some(request) = next {
            if !request.data.is_empty() && pieces.send(request.data).await.is_err() {
                return Ok(()); // it has been refused already
            }
            next = received(&mut stream).await?;
        }
        Ok::<(), Status>(())
    };
    // When the client is gone, `pieces` ends, and with it the thread's work: cut short.
    let (fed, done) = tokio::join!(feed, thread);
    match (fed, done) {
        (Err(status), Err(_)) => Err(status),
        (_, done) => done,
    }
}

/// The next message, in time.
async fn received(
    stream: &mut Streaming<v1::InstallRequest>,
) -> Result<Option<v1::InstallRequest>, Status> {
    match tokio::time::timeout(PATIENCE, stream.message()).await {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(status)) => {
            let text = format!(
                "nothing was changed: the bundle stopped coming: {}",
                status.message()
            );
            Err(Status::cancelled(text))
        }
        Err(_) => Err(Status::cancelled(
            "nothing was changed: the bundle stopped coming",
        )),
    }
}

/// Reports now and then. A slow listener misses some; one that is gone ends the update.
fn report(
    progress: Progress,
    reported: &mut Option<(InstallStage, u64)>,
    reports: &Reports,
) -> bool {
    let (stage, done, total) = match progress {
        Progress::Received(done, total) => (InstallStage::Receiving, done, total),
        Progress::Written(done, total) => (InstallStage::Writing, done, total),
        Progress::Checked(done, total) => (InstallStage::Checking, done, total),
    };
    let due =
        reported.is_none_or(|(was, at)| was != stage || done >= at + REPORT_EVERY || done == total);
    if due {
        *reported = Some((stage, done));
        let message = v1::InstallProgress {
            stage: stage.into(),
            done,
            total,
            slots: None,
        };
        drop(reports.try_send(Ok(message))); // Err: full, or closed as seen below.
    }
    !reports.is_closed()
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(act).await {
        Ok(done) => done.map_err(|failure| status(&failure)),
        Err(error) => Err(Status::internal(format!(
            "the update's thread crashed: {error}"
        ))),
    }
}

/// A failure, as the contract says it.
fn status(failure: &Failure) -> Status {
    let text = aios_daemon::error::chain(failure);
    match failure {
        Failure::Refused(_) | Failure::BootImage(_) => Status::invalid_argument(text),
        Failure::NoSlots(_) | Failure::No(_) | Failure::TooBig { .. } | Failure::Keys(_) => {
            Status::failed_precondition(text)
        }
        Failure::NoRoom { .. } => Status::resource_exhausted(text),
        Failure::GivenUp => Status::cancelled(text),
        Failure::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            Status::resource_exhausted(text)
        }
        Failure::Environment(_) | Failure::ReadBack { .. } | Failure::Io { .. } => {
            Status::data_loss(text)
        }
    }
}

fn slots(state: &State) -> v1::Slots {
    let slot = |slot: Slot| {
        let known = state.slot(slot);
        v1::Slot {
            name: slot.to_string(),
            release: known.release,
            version: known.version.clone(),
            good: known.good,
            tries: known.tries.into(),
        }
    };
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    v1::Slots {
        running: state.running.to_string(),
        first: state.first.to_string(),
        slots: Slot::ALL.map(slot).to_vec(),
        floor: state.floor,
        boot_id: boot_id.trim().to_owned(),
    }
}
