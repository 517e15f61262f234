//! The gRPC service on `work.sock`.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::{self, work_server::Work};
use aios_daemon::idle::Activity;
use aios_daemon::{Access, Callers, Who};
use aios_tool::changes::layer::Layer;
use aios_tool::error::ToolError;
use aios_tool::file::name;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use crate::sandbox::{Keep, Order, Site, Writing};

/// So many programs run at a time: they share the daemon's memory.
const AT_ONCE: usize = 8;

/// The longest id.
const ID_MAX: usize = 64;
/// The longest time of a program, in milliseconds.
const LIMIT_MAX_MS: u32 = 3_600_000;
/// The most that is kept of output and of errors, in bytes: both are in one message of 4 MiB.
const OUTPUT_MAX: u32 = 1_500_000;
/// The most arguments and variables together, in bytes; the kernel takes 2 MiB (execve(2)).
const WORDS_MAX: usize = 512 * 1024;

/// Who may call: aios-tools, for the calls that it runs, and root.
pub static ACCESS: Access<()> =
    Access::new("Work", &[(Who::Root, &[()]), (Who::Daemon("tools"), &[()])]);

/// The service; cloning is cheap.
#[derive(Clone)]
pub struct Service {
    site: Arc<Site>,
    callers: Callers,
    places: Arc<Semaphore>,
    activity: Activity,
}

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    /// Makes sandboxes in `site`. `callers` tells who calls.
    pub fn new(site: Site, callers: Callers) -> Self {
        Self {
            site: Arc::new(site),
            callers,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            activity: Activity::default(),
        }
    }

    /// When it was last used.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }
}

#[tonic::async_trait]
impl Work for Service {
    async fn run(&self, request: Request<v1::RunRequest>) -> Answer<v1::RunResponse> {
        ACCESS.admit(&self.callers, &request, (), "Run")?;
        let _busy = self.activity.begin();
        let _place = self.places.try_acquire().map_err(|_| {
            Status::resource_exhausted(format!("{AT_ONCE} programs run already; try again later"))
        })?;
        let order = order(request.into_inner())?;
        is_there(&order)?;
        let ended = self.site.run(&order).await;
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                self.discard(&order.id).await?;
                return Err(match error.kind() {
                    std::io::ErrorKind::Unsupported => {
                        Status::failed_precondition(format!("the program was not started: {error}"))
                    }
                    _ => ToolError::io("the sandbox", error).into(),
                });
            }
        };
        let plan = match (order.writing, ended.late) {
            (Writing::Shadow, false) => self.plan(&order).await?,
            _ => {
                self.discard(&order.id).await?;
                String::new()
            }
        };
        let (output, output_cut) = ended.output.into_parts();
        let (errors, errors_cut) = ended.errors.into_parts();
        Ok(Response::new(v1::RunResponse {
            code: ended.code,
            signal: ended.signal.unwrap_or_default(),
            late: ended.late,
            output,
            errors,
            output_cut,
            errors_cut,
            took_ms: u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX),
            plan,
        }))
    }

    async fn discard_work(
        &self,
        request: Request<v1::DiscardWorkRequest>,
    ) -> Answer<v1::DiscardWorkResponse> {
        ACCESS.admit(&self.callers, &request, (), "DiscardWork")?;
        let _busy = self.activity.begin();
        let id = request.into_inner().id;
        check_id(&id)?;
        self.discard(&id).await?;
        Ok(Response::new(v1::DiscardWorkResponse {}))
    }
}

impl Service {
    async fn discard(&self, id: &str) -> Result<(), Status> {
        let (site, id) = (Arc::clone(&self.site), id.to_owned());
        let discard = move || site.discard(&id);
        let done = tokio::task::spawn_blocking(discard).await;
        done.map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| Status::internal(format!("a sandbox cannot be removed: {error}")))
    }

    /// Writes down what the program changed; the answer is where.
    async fn plan(&self, order: &Order) -> Result<String, Status> {
        let (site, id, folder) = (
            Arc::clone(&self.site),
            order.id.clone(),
            order.folder.clone(),
        );
        let planned = tokio::task::spawn_blocking(move || {
            let plan = site.plan(&id);
            let written = write_plan(&site.upper(&id), &folder, &plan);
            if written.is_err() {
                drop(site.discard(&id)); // what hindered it is said
            }
            written.map(|()| plan.display().to_string())
        });
        let planned = planned.await;
        Ok(planned.map_err(|error| Status::internal(error.to_string()))??)
    }
}

fn write_plan(upper: &Path, folder: &Path, plan: &Path) -> Result<(), ToolError> {
    let layer = Layer {
        upper,
        lower: folder,
        at: folder,
        passing: |_| false,
    };
    let planned = layer.changes()?;
    let write = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(plan)?);
        for one in &planned {
            serde_json::to_writer(&mut file, one)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    };
    write().map_err(|error| ToolError::io(plan.display(), error))
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

/// The order that a request is.
fn order(request: v1::RunRequest) -> Result<Order, Status> {
    check_id(&request.id)?;
    let writing = match request.writing() {
        v1::Writing::Unspecified => return Err(Status::invalid_argument("writing: is missing")),
        v1::Writing::Nothing => Writing::Nothing,
        v1::Writing::Folder => Writing::Folder,
        v1::Writing::Shadow => Writing::Shadow,
    };
    let variables = request.environment.iter();
    let variables = variables.map(|one| one.name.len() + one.value.len());
    let words = request.arguments.iter().map(Vec::len).chain(variables);
    if words.sum::<usize>() > WORDS_MAX {
        return Err(Status::invalid_argument(
            "arguments: more than 512 KiB together",
        ));
    }
    let named =
        |name: &str| !name.is_empty() && !name.contains(['=', '\0']) && !name.starts_with("LD_");
    if !request.environment.iter().all(|one| named(&one.name)) {
        return Err(Status::invalid_argument(
            "environment: no name of a variable",
        ));
    }
    let most = usize::try_from(request.output_max.min(OUTPUT_MAX)).unwrap_or_default();
    Ok(Order {
        id: request.id,
        program: absolute("program", &request.program)?,
        arguments: request
            .arguments
            .into_iter()
            .map(OsString::from_vec)
            .collect(),
        environment: request
            .environment
            .into_iter()
            .map(|one| (one.name, one.value))
            .collect(),
        folder: absolute("folder", &request.folder)?,
        writing,
        reads: absolutes("reads", &request.reads)?,
        executes: absolutes("executes", &request.executes)?,
        network: request.network,
        limit: Duration::from_millis(request.limit_ms.min(LIMIT_MAX_MS).into()),
        keep: match request.keep_end {
            true => Keep::End(most),
            false => Keep::Begin(most),
        },
        input: request.input,
    })
}

fn absolutes(field: &str, paths: &[String]) -> Result<Vec<PathBuf>, Status> {
    paths.iter().map(|path| absolute(field, path)).collect()
}

fn absolute(field: &str, path: &str) -> Result<PathBuf, Status> {
    let decoded = name::decode(path);
    let parts = path.split('/');
    match decoded.is_absolute() && parts.clone().all(|part| part != "..") {
        true => Ok(decoded),
        false => Err(Status::invalid_argument(format!(
            "{field}: must be an absolute path without .."
        ))),
    }
}

/// Are folder and program there? It is said here in words; the sandbox would say it in codes.
fn is_there(order: &Order) -> Result<(), Status> {
    let missing = |path: &Path, why: &str| {
        Err(Status::failed_precondition(format!(
            "{}: {why}",
            name::encode(path)
        )))
    };
    match order.folder.symlink_metadata() {
        Ok(data) if data.is_dir() => {}
        Ok(_) => return missing(&order.folder, "it is no folder"),
        Err(_) => return missing(&order.folder, "it does not exist"),
    }
    match order.program.metadata() {
        Ok(data) if data.is_file() => Ok(()),
        Ok(_) => missing(&order.program, "it is no program"),
        Err(_) => missing(&order.program, "it does not exist"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> v1::RunRequest {
        v1::RunRequest {
            id: "a-1".into(),
            program: "/usr/bin/true".into(),
            folder: "/srv".into(),
            writing: v1::Writing::Nothing.into(),
            ..v1::RunRequest::default()
        }
    }

    #[test]
    fn an_order_is_checked() {
        let check = |change: &dyn Fn(&mut v1::RunRequest), allowed| {
            let mut one = request();
            change(&mut one);
            assert_eq!(order(one.clone()).is_ok(), allowed, "{one:?}");
        };
        let variable = |name: &str| {
            vec![v1::Variable {
                name: name.into(),
                value: "x".into(),
            }]
        };
        check(&|_| {}, true);
        check(&|one| one.id = "../x".into(), false);
        check(&|one| one.id = String::new(), false);
        check(&|one| one.writing = 0, false);
        check(&|one| one.folder = "srv".into(), false);
        check(&|one| one.folder = "/srv/../etc".into(), false);
        check(&|one| one.reads = vec!["x".into()], false);
        check(&|one| one.environment = variable("GIT_DIR"), true);
        check(&|one| one.environment = variable("LD_PRELOAD"), false);
        check(&|one| one.environment = variable("A=B"), false);
        check(&|one| one.arguments = vec![vec![b'x'; 600_000]], false);
    }
}
