//! For tests: a daemon that keeps a configuration in memory and checks it as the real one does.

use std::sync::{Arc, Mutex};

use aios_contracts::v1::config_server::{Config as Rpc, ConfigServer};
use aios_contracts::v1::*;
use aios_tool::error::ToolError;
use aios_tool::file::state::hex;
use aios_tool::preview::Preview;
use aios_tool::tool::{Change, Done, Look, change, look};
use aios_tool::undo::{Capture, Step};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};

use crate::service::fake::Init;
use crate::trial;

#[derive(Clone)]
struct Served(Arc<Mutex<(String, u32)>>);

/// It ends with the test process.
pub struct Daemon {
    init: Init,
    served: Served,
}

impl Daemon {
    /// One that keeps this configuration.
    pub fn new(toml: &str) -> Self {
        let init = Init::new();
        init.add("config");
        let served = Served(Arc::new(Mutex::new((toml.to_owned(), 0))));
        let _entered = trial::runtime().enter();
        let socket = aios_daemon::socket::listen(&init.folder().join("config.sock")).unwrap();
        let server =
            tonic::transport::Server::builder().add_service(ConfigServer::new(served.clone()));
        trial::runtime().spawn(server.serve_with_incoming(socket));
        Self { init, served }
    }

    pub fn look<T: Look>(&self, arguments: Value) -> Result<Done, ToolError> {
        trial::call_in(look::<T>().as_ref(), arguments, self.init.folder())
    }

    pub fn change<T: Change>(&self, arguments: Value) -> Result<Done, ToolError> {
        trial::call_in(change::<T>().as_ref(), arguments, self.init.folder())
    }

    pub fn preview<T: Change>(&self, arguments: Value) -> Result<Preview, ToolError> {
        let context = trial::context(self.init.folder());
        T::preview(&trial::input::<T>(arguments, &context), &context)
    }

    /// The arguments of the call that would take this one back.
    pub fn inverse<T: Change>(&self, arguments: Value) -> Value {
        let context = trial::context(self.init.folder());
        let mut capture = Capture::new(self.init.folder());
        let input = trial::input::<T>(arguments, &context);
        T::capture(&input, &mut capture, &context).unwrap();
        match capture.into_parts().0.pop() {
            Some(Step::Call(call)) => call.arguments,
            other => panic!("{other:?}"),
        }
    }

    pub fn text(&self) -> String {
        self.served.0.lock().unwrap().0.clone()
    }

    /// How often a configuration was applied.
    pub fn applied(&self) -> u32 {
        self.served.0.lock().unwrap().1
    }
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn check(toml: &str) -> ConfigCheck {
    let problem = |problem: aios_config::Problem| ConfigProblem {
        key: problem.path,
        text: problem.message,
        ..ConfigProblem::default()
    };
    let problems = aios_config::parse(toml).err().unwrap_or_default();
    ConfigCheck {
        problems: problems.into_iter().map(problem).collect(),
        sha256: digest(toml),
        ..ConfigCheck::default()
    }
}

#[tonic::async_trait]
impl Rpc for Served {
    async fn get_config(
        &self,
        _: Request<GetConfigRequest>,
    ) -> Result<Response<ConfigState>, Status> {
        let toml = self.0.lock().unwrap().0.clone();
        Ok(Response::new(ConfigState {
            sha256: digest(&toml),
            toml,
            ..ConfigState::default()
        }))
    }

    async fn validate_config(
        &self,
        request: Request<ValidateConfigRequest>,
    ) -> Result<Response<ConfigCheck>, Status> {
        Ok(Response::new(check(&request.into_inner().toml)))
    }

    async fn apply_config(
        &self,
        request: Request<ApplyConfigRequest>,
    ) -> Result<Response<ConfigCheck>, Status> {
        let request = request.into_inner();
        let mut kept = self.0.lock().unwrap();
        if request.expected_sha256 != digest(&kept.0) {
            return Err(Status::failed_precondition("it was changed meanwhile"));
        }
        let check = check(&request.toml);
        if !check.problems.is_empty() {
            return Err(Status::invalid_argument("it is wrong"));
        }
        *kept = (request.toml, kept.1 + 1);
        Ok(Response::new(check))
    }

    async fn confirm_config(
        &self,
        _: Request<ConfirmConfigRequest>,
    ) -> Result<Response<ConfigState>, Status> {
        Err(Status::failed_precondition("there is no trial"))
    }
}
