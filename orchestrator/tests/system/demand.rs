//! Daemons that run only while they are used.

use std::time::Duration;

use aios_contracts::v1::config_server::{Config, ConfigServer};
use aios_contracts::v1::*;
use aios_daemon::socket;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::node::Node;

struct ConfigDouble;

fn absent<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not in this double"))
}

#[tonic::async_trait]
impl Config for ConfigDouble {
    async fn get_config(
        &self,
        _: Request<GetConfigRequest>,
    ) -> Result<Response<ConfigState>, Status> {
        let toml = "answered".into();
        Ok(Response::new(ConfigState {
            toml,
            ..ConfigState::default()
        }))
    }
    async fn validate_config(
        &self,
        _: Request<ValidateConfigRequest>,
    ) -> Result<Response<ConfigCheck>, Status> {
        absent()
    }
    async fn apply_config(
        &self,
        _: Request<ApplyConfigRequest>,
    ) -> Result<Response<ConfigCheck>, Status> {
        absent()
    }
    async fn confirm_config(
        &self,
        _: Request<ConfirmConfigRequest>,
    ) -> Result<Response<ConfigState>, Status> {
        absent()
    }
}

#[tokio::test]
async fn a_call_that_meets_the_configuration_daemon_as_it_leaves_is_answered_by_the_next_one() {
    let node = Node::new().await;
    // Kept by PID 1 while nobody serves it: who connects waits.
    let incoming = socket::listen(&node.folder.path().join("config.sock")).unwrap();
    let started = node.init.started.clone();
    let asked = move || {
        let started = started.lock().unwrap();
        started.iter().filter(|name| *name == "config").count()
    };
    tokio::spawn(async move {
        // At the first start it had not yet left.
        while asked() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let server = Server::builder().add_service(ConfigServer::new(ConfigDouble));
        server.serve_with_incoming(incoming).await
    });
    let process = node.start();
    let identity = node.authority.client(&["viewer"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    let asking = client.get_config(GetConfigRequest {});
    let answer = tokio::time::timeout(Duration::from_secs(30), asking).await;
    let answer = answer.expect("it hangs").unwrap();
    assert_eq!(answer.into_inner().toml, "answered");
}
