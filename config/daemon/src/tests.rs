//! Applying, trying, confirming and going back, with services that only note what is asked.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aios_config::Change;
use aios_contracts::v1::config_server::Config as _;
use aios_contracts::v1::{ApplyConfigRequest, ConfirmConfigRequest};
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_testkit::disk::Disk;
use tonic::Request;

use crate::applier::Applier;
use crate::order::{By, Refusal};
use crate::service::Service;
use crate::services::Services;
use crate::store::{KEPT, Store};

const OLD: &str = "[tools]\ncalls_per_caller_max = 16\n";
const NEW: &str = "[tools]\ncalls_per_caller_max = 8\n[management]\nlisten = \"0.0.0.0:9191\"\n";

#[derive(Default)]
struct Noted(Mutex<Vec<String>>, Option<&'static str>);

impl Noted {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn count(&self, count: usize) -> Vec<String> {
        for _ in 0..1000 {
            let all = self.all();
            if all.len() >= count {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("only {:?}", self.all());
    }
}

#[tonic::async_trait]
impl Services for Noted {
    async fn change(&self, change: Change) -> Result<(), String> {
        if self.1 == Some(change.service()) {
            self.0.lock().unwrap().push("slow".to_owned());
            std::future::pending::<()>().await;
        }
        self.0.lock().unwrap().push(change.service().to_owned());
        match change.service() {
            "tools" => Err("it died".into()),
            _ => Ok(()),
        }
    }

    fn record(&self, kind: &str, subject: &str, _: &str) -> std::io::Result<()> {
        if self.1 == Some("record") {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0.lock().unwrap().push(format!("{kind} {subject}"));
        Ok(())
    }
}

fn daemon(folder: &Path) -> (Applier, Arc<Noted>) {
    daemon_with(folder, None)
}

/// With this service, if any, never coming back; `record`: nothing can be recorded.
fn daemon_with(folder: &Path, slow: Option<&'static str>) -> (Applier, Arc<Noted>) {
    let noted = Arc::new(Noted(Mutex::default(), slow));
    let store = Store::new(&folder.join("config.toml"));
    (
        Applier::new(store, folder.join("note"), noted.clone()),
        noted,
    )
}

/// Whose orders the orchestrator puts on record.
fn operator(name: &str) -> By {
    By {
        name: name.to_owned(),
        on_record: true,
    }
}

fn anything(_: &str) -> bool {
    true
}

/// aios-config is root, which may use what the data disk keeps for root.
#[tokio::test]
async fn a_data_disk_without_room_for_anybody_else_takes_a_configuration() {
    let Some(disk) = Disk::as_data_partition(32) else {
        return;
    };
    let (applier, _) = daemon(disk.path());
    applier.apply(OLD, 0, &operator("ann"), anything).unwrap();
    disk.fill();
    for text in [NEW, OLD, NEW] {
        applier.apply(text, 0, &operator("ann"), anything).unwrap();
        assert_eq!(applier.current().unwrap(), text);
    }
    let (_, trial) = applier.apply(OLD, 60, &operator("ann"), anything).unwrap();
    applier
        .confirm(&trial.unwrap().id, &operator("ann"))
        .unwrap();
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_and_what_is_right_restarts_what_it_concerns() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = daemon(folder.path());
    applier.apply(OLD, 0, &operator("ann"), anything).unwrap();
    let check = |text: &str, seconds: u32, expected: &str| {
        let refused = applier
            .apply(text, seconds, &operator("ann"), anything)
            .unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!(applier.current().unwrap(), OLD);
    };
    check(
        "[tools]\ncalls_per_caller_mx = 8\n[approval]\nauto_up_to = 5\n",
        0,
        "calls_per_caller_max",
    );
    check(
        "[tools]\ncalls_per_caller_mx = 8\n[approval]\nauto_up_to = 5\n",
        0,
        "auto_up_to",
    );
    check(NEW, 5, "10 to 600");
    check(NEW, 601, "10 to 600");
    let stale = applier
        .apply(NEW, 0, &operator("ann"), |present| present == "other")
        .unwrap_err();
    assert!(matches!(stale, Refusal::NotNow(_)), "{stale}");
    let before = noted.all().len();
    let (effect, trial) = applier.apply(NEW, 0, &operator("ann"), anything).unwrap();
    assert_eq!((effect.changes.len(), trial), (3, None));
    assert_eq!(
        applier.current().unwrap(),
        NEW,
        "on the disk before services hear of it"
    );
    let all = noted.count(before + 3).await;
    assert_eq!(all[before..], ["network", "tools", "orchestrator"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = applier.progress().1;
    assert!(told.contains("tools did not take it up: it died"), "{told}");
    assert!(!folder.path().join(KEPT).exists());
}

#[tokio::test]
async fn a_trial_that_nobody_confirms_goes_back_and_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = daemon(folder.path());
    applier.apply(OLD, 0, &operator("ann"), anything).unwrap();
    let (_, trial) = applier.apply(NEW, 10, &operator("ann"), anything).unwrap();
    assert_eq!(applier.current().unwrap(), NEW);
    assert!(
        !applier.ends(Duration::ZERO),
        "it stays while something is tried"
    );
    let second = applier
        .apply(OLD, 0, &operator("bob"), anything)
        .unwrap_err();
    assert!(
        second.to_string().contains("ann tries a configuration"),
        "{second}"
    );

    // Killed meanwhile: the next process knows until when, and goes back at that time.
    let note = std::fs::read_to_string(folder.path().join("note")).unwrap();
    let over = note.replace(&trial.unwrap().until_ms.to_string(), "1");
    std::fs::write(folder.path().join("note"), over).unwrap();
    let (next, next_noted) = daemon(folder.path());
    next.recover();
    let all = next_noted.count(4).await;
    assert_eq!(
        all,
        ["config.reverted ann", "network", "tools", "orchestrator"]
    );
    assert_eq!(next.current().unwrap(), OLD);
    assert!(!folder.path().join(KEPT).exists());
    assert!(next.confirm("", &operator("ann")).is_err(), "too late");
    drop(noted);
}

/// Applies the old configuration, then tries the new one for so long.
fn tries(folder: &Path, time: Duration) -> (Applier, Arc<Noted>) {
    let (applier, noted) = daemon(folder);
    applier.apply(OLD, 0, &operator("ann"), anything).unwrap();
    applier
        .put(NEW, Some(time), &operator("ann"), anything)
        .unwrap();
    (applier, noted)
}

/// Waits until nothing is tried any more; returns what is told of it.
async fn ended(applier: &Applier) -> String {
    for _ in 0..1000 {
        if let (None, told) = applier.progress() {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it does not end: {:?}", applier.progress());
}

#[tokio::test]
async fn a_trial_whose_kept_file_is_gone_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, _) = tries(folder.path(), Duration::from_millis(1));
    // Somebody went back by hand before the watcher, which has not run yet, does.
    std::fs::rename(folder.path().join(KEPT), folder.path().join("config.toml")).unwrap();
    let told = ended(&applier).await;
    assert!(told.contains("no longer kept"), "{told}");
    assert_eq!(applier.current().unwrap(), OLD);

    let (applier, noted) = tries(folder.path(), Duration::from_secs(600));
    let before = noted.all().len();
    std::fs::rename(folder.path().join(KEPT), folder.path().join("config.toml")).unwrap();
    let refused = applier.confirm("", &operator("ann")).unwrap_err();
    assert!(refused.to_string().contains("has ended already"));
    ended(&applier).await;
    let all = noted.count(before + 4).await;
    assert!(all.contains(&"orchestrator".to_owned()), "{all:?}");
    let said = |kind: &str| all.contains(&format!("{kind} ann"));
    assert!(
        said("config.trial_ended") && !said("config.reverted"),
        "{all:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused_but_the_way_back_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, _) = daemon_with(folder.path(), Some("record"));
    let console = By {
        name: "console".into(),
        on_record: false,
    };
    applier.apply(OLD, 0, &operator("ann"), anything).unwrap();
    for seconds in [0, 600] {
        let refused = applier.apply(NEW, seconds, &console, anything);
        assert!(
            matches!(refused, Err(Refusal::Unrecorded(_))),
            "{refused:?}"
        );
        assert_eq!(applier.current().unwrap(), OLD);
    }
    applier.apply(NEW, 600, &operator("ann"), anything).unwrap();
    let refused = applier.confirm("", &console).unwrap_err();
    assert!(matches!(refused, Refusal::Unrecorded(_)), "{refused}");
    assert!(applier.progress().0.is_some());
    applier.leave().await;
    assert_eq!(applier.current().unwrap(), OLD);
}

#[tokio::test]
async fn services_follow_what_went_back_although_it_is_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = daemon(folder.path());
    let by_hand: &[u8] = b"[tools]\ncalls_per_caller_max = \xff\n";
    std::fs::write(folder.path().join("config.toml"), by_hand).unwrap();
    let tried = applier.apply(NEW, 600, &operator("ann"), anything);
    tried.unwrap();
    applier.leave().await;
    let now = std::fs::read(folder.path().join("config.toml")).unwrap();
    assert_eq!(now, by_hand);
    let all = noted.count(4).await;
    assert_eq!(
        all,
        ["config.reverted ann", "network", "tools", "orchestrator"]
    );
}

#[tokio::test]
async fn a_trial_that_did_not_begin_undoes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = daemon(folder.path());
    // Left by a trial that the disk refused half-way.
    std::fs::write(folder.path().join(KEPT), OLD).unwrap();
    let for_good = applier.apply(NEW, 0, &operator("ann"), anything);
    for_good.unwrap();
    assert!(!folder.path().join(KEPT).exists());
    noted.count(3).await;

    // Refused at the second of its two steps.
    std::fs::create_dir(folder.path().join("config.toml.new")).unwrap();
    let tried = applier.apply(OLD, 600, &operator("ann"), anything);
    assert!(matches!(tried, Err(Refusal::Disk(_))), "{tried:?}");
    assert_eq!(applier.current().unwrap(), NEW);
    assert!(!folder.path().join(KEPT).exists());
    std::fs::remove_dir(folder.path().join("config.toml.new")).unwrap();

    // Killed between them.
    let tried = applier.apply(OLD, 600, &operator("ann"), anything);
    tried.unwrap();
    std::fs::write(folder.path().join("config.toml"), NEW).unwrap();
    let (next, noted) = daemon(folder.path());
    next.recover();
    assert_eq!(next.progress().0, None);
    let again = next.apply(OLD, 0, &operator("ann"), anything);
    again.unwrap();
    let all = noted.count(6).await;
    assert!(!all.iter().any(|one| one.contains("reverted")), "{all:?}");
}

#[tokio::test]
async fn a_daemon_that_is_stopped_goes_back_first() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = tries(folder.path(), Duration::from_secs(600));
    applier.leave().await;
    assert_eq!(
        (applier.current().unwrap().as_str(), applier.progress().0),
        (OLD, None)
    );
    assert!(applier.progress().1.contains("was stopped"));
    assert!(noted.all().contains(&"config.reverted ann".to_owned()));
    assert!(!folder.path().join(KEPT).exists());
    assert!(
        !folder.path().join("note").exists(),
        "nothing is left to do"
    );
    let late = applier
        .apply(NEW, 0, &operator("bob"), anything)
        .unwrap_err();
    assert_eq!(late, Refusal::Leaving);
}

#[tokio::test]
async fn an_order_that_does_not_come_through_the_orchestrator_is_on_record_before_its_effect() {
    let check = async |caller: Principal, named: &str, expected: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let (applier, noted) = daemon(folder.path());
        let service = Service::new(applier, Callers::played(move || caller.clone()));
        let wrong = ApplyConfigRequest {
            toml: "[tool]".into(),
            ..ApplyConfigRequest::default()
        };
        assert!(service.apply_config(Request::new(wrong)).await.is_err());
        let tried = ApplyConfigRequest {
            toml: NEW.into(),
            try_seconds: 600,
            on_behalf_of: named.into(),
            ..ApplyConfigRequest::default()
        };
        service.apply_config(Request::new(tried)).await.unwrap();
        let confirm = ConfirmConfigRequest {
            on_behalf_of: named.into(),
            ..ConfirmConfigRequest::default()
        };
        service.confirm_config(Request::new(confirm)).await.unwrap();
        assert_eq!(noted.all(), expected); // services hear of it a moment later
    };
    let orchestrator = || Principal::Daemon("orchestrator".into());
    let console = || Principal::Daemon("console".into());
    check(orchestrator(), "CN=ann", &[]).await;
    check(
        console(),
        "",
        &["config.apply console", "config.confirm console"],
    )
    .await;
    check(
        Principal::Root,
        "CN=ann",
        &[
            "config.apply root for CN=ann",
            "config.confirm root for CN=ann",
        ],
    )
    .await;
}

/// Of a process of its own, which is killed then.
fn killed_after<T>(work: impl AsyncFnOnce() -> T) -> T {
    let mut process = tokio::runtime::Builder::new_current_thread();
    let process = process.enable_all().build().unwrap();
    process.block_on(work())
}

#[test]
fn an_order_whose_answer_was_lost_may_be_given_again_and_reaches_the_services() {
    let check = |seconds: u32| {
        let folder = tempfile::tempdir().unwrap();
        let old = |present: &str| present == OLD;
        let begun = killed_after(async || {
            let (applier, _) = daemon(folder.path());
            let first = applier.apply(OLD, 0, &operator("ann"), anything);
            first.unwrap();
            let second = applier.apply(NEW, seconds, &operator("ann"), old);
            second.unwrap()
        });
        killed_after(async || {
            let (next, noted) = daemon(folder.path());
            next.recover();
            let again = next.apply(NEW, seconds, &operator("ann"), old).unwrap();
            assert_eq!(again.1, begun.1, "the same trial");
            if seconds != 0 {
                assert_eq!(again, begun);
                let other = next.apply(NEW, seconds, &operator("bob"), anything);
                assert!(other.is_err(), "it is not his");
                let for_good = next.apply(NEW, 0, &operator("ann"), anything);
                assert!(for_good.is_err(), "which a confirmation is for");
            }
            let all = noted.count(3).await;
            assert_eq!(all, ["network", "tools", "orchestrator"]);
            while folder.path().join("config-owed.toml").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        killed_after(async || {
            let (last, noted) = daemon(folder.path());
            last.recover();
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert!(noted.all().is_empty(), "once");
        });
    };
    check(0);
    check(600);
}

#[tokio::test]
async fn what_the_disk_refuses_is_not_asked_of_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, _) = daemon(folder.path());
    std::fs::create_dir(folder.path().join("config.toml.new")).unwrap();
    let service = Service::new(applier, Callers::played(|| Principal::Root));
    let request = ApplyConfigRequest {
        toml: NEW.into(),
        ..ApplyConfigRequest::default()
    };
    let refused = service.apply_config(Request::new(request)).await;
    let refused = refused.unwrap_err();
    assert!(!aios_daemon::retry::is_transient(&refused), "{refused}");
    let owed = folder.path().join("config-owed.toml");
    assert!(!owed.exists(), "nothing was changed");
}

#[tokio::test]
async fn services_that_were_not_told_that_it_went_back_are_told_by_the_next_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, _) = tries(folder.path(), Duration::from_secs(600));
    // Killed after the rename.
    std::fs::rename(folder.path().join(KEPT), folder.path().join("config.toml")).unwrap();
    let (next, noted) = daemon(folder.path());
    next.recover();
    assert_eq!(noted.count(3).await, ["network", "tools", "orchestrator"]);
    for _ in 0..1000 {
        if !folder.path().join("note").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (last, noted) = daemon(folder.path());
    last.recover();
    assert!(last.ends(Duration::ZERO), "nothing is left to do");
    assert!(noted.all().is_empty());
    drop(applier);
}

#[tokio::test]
async fn the_way_back_waits_for_no_service_that_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = daemon_with(folder.path(), Some("tools"));
    let before = "[tools]\ncalls_per_caller_max = 4\n";
    applier
        .apply(before, 0, &operator("ann"), anything)
        .unwrap();
    noted.count(1).await; // for ever under way
    applier
        .put(
            NEW,
            Some(Duration::from_millis(1)),
            &operator("ann"),
            anything,
        )
        .unwrap();
    ended(&applier).await;
    let all = noted.count(5).await;
    let reverted = "config.reverted ann";
    assert_eq!(all, ["slow", reverted, "network", "slow", "orchestrator"]);
    assert_eq!(applier.current().unwrap(), before);
    assert!(
        folder.path().join("note").exists(),
        "who is killed now is followed"
    );

    // Its own: what is tried takes for ever to be taken up.
    let folder = tempfile::tempdir().unwrap();
    let (applier, noted) = daemon_with(folder.path(), Some("network"));
    applier
        .put(
            NEW,
            Some(Duration::from_secs(1)),
            &operator("ann"),
            anything,
        )
        .unwrap();
    noted.count(1).await;
    ended(&applier).await;
    let all = noted.count(5).await;
    assert_eq!(all, ["slow", reverted, "slow", "tools", "orchestrator"]);
}

#[tokio::test]
async fn a_trial_that_is_confirmed_stays_over_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (applier, _) = daemon(folder.path());
    applier.apply(OLD, 0, &operator("ann"), anything).unwrap();
    let (_, trial) = applier.apply(NEW, 600, &operator("ann"), anything).unwrap();
    let other = applier.confirm("another", &operator("ann")).unwrap_err();
    assert!(matches!(other, Refusal::NotNow(_)), "{other}");
    applier
        .confirm(&trial.unwrap().id, &operator("ann"))
        .unwrap();
    assert!(applier.confirm("", &operator("ann")).is_err(), "once");
    let (next, _) = daemon(folder.path());
    next.recover();
    assert_eq!(
        (next.current().unwrap().as_str(), next.progress().0),
        (NEW, None)
    );
}
