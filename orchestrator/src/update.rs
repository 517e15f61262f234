//! Updates are passed on to `aios-update`, which runs only while it is used, and put on record.

use std::time::Duration;

use aios_contracts::v1::update_client::UpdateClient;
use aios_contracts::v1::{
    GetSlotsRequest, InstallProgress, InstallRequest, InstallStage, MarkGoodRequest,
    RollbackRequest, Slots,
};
use aios_daemon::demand::Demand;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use crate::clients::Clients;
use crate::record::{Kind, Recorder};

/// The service's name in init.
const SERVICE: &str = "update";

/// How long a short call may take, with the daemon's start: the boot loader's environment is written
/// and synced.
const ANSWER: Duration = Duration::from_secs(30);

/// Pieces of a bundle on their way: the client goes no faster than the disk.
const PIECES: usize = 4;

/// What updates need; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Updates {
    update: UpdateClient<Channel>,
    demand: Demand,
    recorder: Recorder,
}

type Progress = ReceiverStream<Result<InstallProgress, Status>>;

impl Updates {
    /// Over these clients.
    pub fn new(clients: &Clients, recorder: Recorder) -> Self {
        Self {
            update: clients.update.clone(),
            demand: Demand::new(clients.init.clone(), SERVICE),
            recorder,
        }
    }

    /// How the slots are.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub async fn slots(&self) -> Result<Slots, Status> {
        self.ask(|mut update| async move { update.get_slots(GetSlotsRequest {}).await })
            .await
    }

    /// Makes the other slot the one that boots next.
    ///
    /// # Errors
    /// When it cannot be put on record, or there is nothing to go back to.
    pub async fn roll_back(&self, by: &str) -> Result<Slots, Status> {
        self.slots().await?;
        self.recorder
            .order(Kind::UpdateRollback, by, "the other slot boots next")
            .await?;
        let done = self
            .ask(|mut update| async move { update.rollback(RollbackRequest {}).await })
            .await;
        if let Err(status) = &done {
            self.recorder
                .note(Kind::UpdateRefused, by, status.message(), "");
        }
        done
    }

    /// The running slot works.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn mark_good(&self) -> Result<Slots, Status> {
        let slots = self
            .ask(|mut update| async move { update.mark_good(MarkGoodRequest {}).await })
            .await?;
        self.recorder.note(
            Kind::UpdateMarkedGood,
            "aios-orchestrator",
            &told(&slots, &slots.running),
            "",
        );
        Ok(slots)
    }

    /// Installs what comes; what becomes of it comes back.
    ///
    /// # Errors
    /// When there are no slots, or it cannot be put on record.
    pub async fn install(
        &self,
        by: &str,
        incoming: Streaming<InstallRequest>,
    ) -> Result<Progress, Status> {
        self.slots().await?;
        self.recorder
            .order(Kind::UpdateBegun, by, "a bundle is being received")
            .await?;
        let (pieces, waiting) = mpsc::channel(PIECES);
        tokio::spawn(feed(incoming, pieces));
        let begun = self
            .update
            .clone()
            .install(ReceiverStream::new(waiting))
            .await;
        let progress = begun.inspect_err(|status| self.refused(by, status))?;
        let (sender, outgoing) = mpsc::channel(PIECES);
        let (this, by) = (self.clone(), by.to_owned());
        tokio::spawn(async move { this.relay(&by, progress.into_inner(), sender).await });
        Ok(ReceiverStream::new(outgoing))
    }

    /// Leads progress to the client. When that is gone, so is the stream from
    /// aios-update, which gives the update up.
    async fn relay(
        &self,
        by: &str,
        mut progress: Streaming<InstallProgress>,
        client: mpsc::Sender<Result<InstallProgress, Status>>,
    ) {
        loop {
            let next = tokio::select! {
                next = progress.message() => next,
                () = client.closed() => return self.refused(by, &Status::cancelled("the client went away")),
            };
            let message = match next {
                Ok(None) => return,
                Ok(Some(message)) => Ok(message),
                Err(status) => Err(status),
            };
            match &message {
                Ok(message) if message.stage() == InstallStage::Done => {
                    let slots = message.slots.clone().unwrap_or_default();
                    self.recorder
                        .note(Kind::UpdateInstalled, by, &told(&slots, &slots.first), "");
                }
                Ok(_) => {}
                Err(status) => self.refused(by, status),
            }
            let last = message.is_err();
            // Err: the client is gone, as seen above.
            drop(client.send(message).await);
            if last {
                return;
            }
        }
    }

    fn refused(&self, by: &str, status: &Status) {
        tracing::warn!("update by {by:?} was not installed: {}", status.message());
        self.recorder
            .note(Kind::UpdateRefused, by, status.message(), "");
    }

    async fn ask<T, C>(&self, call: impl Fn(UpdateClient<Channel>) -> C) -> Result<T, Status>
    where
        C: Future<Output = Result<Response<T>, Status>>,
    {
        let call = || call(self.update.clone());
        self.demand.ask(ANSWER, call).await
    }
}

async fn feed(mut incoming: Streaming<InstallRequest>, pieces: mpsc::Sender<InstallRequest>) {
    // A client that is gone ends the stream: aios-update sees a bundle cut short.
    while let Ok(Some(piece)) = incoming.message().await {
        if pieces.send(piece).await.is_err() {
            return;
        }
    }
}

fn told(slots: &Slots, name: &str) -> String {
    let release = slots
        .slots
        .iter()
        .find(|slot| slot.name == name)
        .map_or(0, |slot| slot.release);
    format!("slot {name}, release {release}")
}
