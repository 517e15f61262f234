//! What waits for a person, as `aios-tools` says it: one stream for all goals that wait.

use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::{self, ApprovalState, DecideApprovalRequest, ListApprovalsRequest};
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::Channel;

/// Between two tries to listen to an `aios-tools` that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// How long what was just asked may take to be heard of.
const HEARD: Duration = Duration::from_secs(1);

/// All that waits; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Approvals {
    tools: ToolsClient<Channel>,
    newest: Arc<watch::Sender<Option<v1::Approvals>>>,
}

impl Approvals {
    /// Nothing is known yet; [`Self::listen`] changes that.
    pub fn new(tools: ToolsClient<Channel>) -> Self {
        Self {
            tools,
            newest: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Listens for ever.
    pub async fn listen(self) {
        loop {
            if let Err(status) = self.listen_once().await {
                tracing::debug!("approvals are not known: {}", status.message());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn listen_once(&self) -> Result<(), Status> {
        let request = ListApprovalsRequest::default();
        let mut tools = self.tools.clone();
        let mut changes = tools.watch_approvals(request).await?.into_inner();
        while let Some(newest) = changes.message().await? {
            self.newest.send_replace(Some(newest));
        }
        Ok(())
    }

    /// The newest list, and its changes from now on; `None` while it is not known.
    pub fn subscribe(&self) -> watch::Receiver<Option<v1::Approvals>> {
        self.newest.subscribe()
    }

    /// Ready once nobody needs to decide about this call any more: it was decided, or it is too late.
    /// It may be ready too early, for whoever asks again then.
    pub async fn settled(&self, id: &str) {
        let mut newest = self.newest.subscribe();
        // The list that is known may be older than the question. Err: it is gone already.
        let heard = newest.wait_for(|newest| find(newest, id).is_some());
        drop(tokio::time::timeout(HEARD, heard).await);
        // It expires without anybody's doing.
        let left = find(&newest.borrow(), id).map(left);
        let decided = newest.wait_for(|newest| {
            let state = find(newest, id).map(v1::Approval::state);
            newest.is_some() && state != Some(ApprovalState::Waiting)
        });
        drop(tokio::time::timeout(left.unwrap_or(HEARD), decided).await);
    }

    /// Nobody wants the call any more.
    pub async fn withdraw(&self, id: &str, why: &str) {
        let request = DecideApprovalRequest {
            id: id.to_owned(),
            by: why.to_owned(),
            reason: "its goal has ended".to_owned(),
            ..DecideApprovalRequest::default()
        };
        if let Err(status) = self.tools.clone().decide_approval(request).await {
            // It expires, and its call is made by no task.
            tracing::info!("approval {id} is not withdrawn: {}", status.message());
        }
    }
}

fn find<'a>(all: &'a Option<v1::Approvals>, id: &str) -> Option<&'a v1::Approval> {
    let all = all.as_ref()?;
    all.approvals.iter().find(|one| one.id == id)
}

/// How long it may still be decided about.
fn left(approval: &v1::Approval) -> Duration {
    match approval.expires_ms {
        0 => Duration::MAX,
        end => {
            let left = end.saturating_sub(aios_files::clock::now_ms());
            Duration::from_millis(u64::try_from(left).unwrap_or(0))
        }
    }
}
