//! Carrying out a task: its steps as tool calls, in order.

use std::time::Duration;

use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::{CallRequest, CallResponse, Execution, SkillStep, Task};
use aios_daemon::retry;
use aios_files::clock::now_ms;
use tonic::Status;
use tonic::transport::Channel;

use crate::task;

/// How long a call is repeated while `aios-tools` is away: it restarts within a
/// second natively, within ten in an emulated machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the tool calls.
#[derive(Clone, Debug)]
pub struct Worker {
    tools: ToolsClient<Channel>,
    patience: Duration,
}

impl Worker {
    /// A worker that calls the tools behind `channel`.
    pub fn new(channel: Channel) -> Self {
        let limit = aios_daemon::socket::MESSAGE_MAX;
        Self {
            tools: ToolsClient::new(channel)
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
            patience: PATIENCE,
        }
    }

    /// The same worker with another patience; for tests.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes the steps' calls until all succeeded or one failed.
    pub async fn carry_out(&self, mut task: Task, steps: &[SkillStep]) -> Task {
        task.executions.clear(); // a resumed task gets all of them again, replayed
        for (index, step) in steps.iter().enumerate() {
            let request = CallRequest {
                call_id: step.call_id.clone(),
                tool: step.tool.clone(),
                arguments_json: step.arguments_json.clone(),
                ..CallRequest::default() // aios-tools knows the operator and the reason
            };
            match self.call(request).await {
                Ok(response) => task.executions.push(execution(step, response)),
                Err(why) => return task::failed(task, index, steps, &why, now_ms()),
            }
        }
        task::succeeded(task, now_ms())
    }

    async fn call(&self, request: CallRequest) -> Result<CallResponse, Status> {
        retry::persistently(self.patience, || {
            let mut tools = self.tools.clone();
            let request = request.clone();
            async move { tools.call(request).await.map(tonic::Response::into_inner) }
        })
        .await
    }
}

fn execution(step: &SkillStep, response: CallResponse) -> Execution {
    Execution {
        id: response.execution_id,
        tool: step.tool.clone(),
        arguments_json: step.arguments_json.clone(),
        output_json: response.output_json,
        summary: response.summary,
        reversible: response.reversible,
    }
}
