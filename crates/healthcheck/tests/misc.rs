//! `MISC_CHECK` with programs that behave and programs that do not, and `FILE_CHECK`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use healthcheck::misc::check_program;
use healthcheck::{
    Cause, FileProbe, FileSettings, MiscProbe, MiscSettings, Outcome, Probe, Weight,
};
use support::{PATIENT, bounded};
use tempfile::TempDir;

fn script(folder: &TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("script");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn settings(path: &Path, limit: Duration) -> MiscSettings {
    MiscSettings::new([path], limit)
}

async fn run(settings: MiscSettings) -> Outcome {
    bounded(&MiscProbe::new(settings).unwrap()).await
}

async fn wait_for(path: &Path) -> String {
    loop {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn wait_until_gone(pid: &str) {
    let stat = PathBuf::from(format!("/proc/{pid}/stat"));
    // A zombie that waits for init is as good as gone.
    while fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn exit_status_is_the_verdict() {
    let folder = TempDir::new().unwrap();
    let path = script(&folder, "exit ${1:-0}");
    assert!(run(settings(&path, PATIENT)).await.is_up());
    let with = |status: &str, dynamic| {
        let mut settings = settings(&path, PATIENT);
        settings.command.push(status.into());
        settings.dynamic = dynamic;
        settings
    };
    let outcome = run(with("3", false)).await;
    assert!(
        outcome
            .to_string()
            .ends_with("/script ended with exit status 3"),
        "{outcome}"
    );
    let outcome = run(with("12", true)).await;
    assert_eq!(outcome.weight(), Some(Weight::Exact(10)), "{outcome}");
    assert!(!run(with("1", true)).await.is_up());
}

#[tokio::test]
async fn arguments_reach_the_program_without_a_shell() {
    let folder = TempDir::new().unwrap();
    let path = script(
        &folder,
        r#"[ "$1" = '$(touch /x); a b' ] && [ "$WORD" = "y z" ]"#,
    );
    let mut settings = settings(&path, PATIENT);
    settings.command.push("$(touch /x); a b".into());
    settings.environment.push(("WORD".into(), "y z".into()));
    let outcome = run(settings).await;
    assert!(outcome.is_up(), "{outcome}");
}

#[tokio::test]
async fn a_program_that_ignores_term_is_killed_with_its_children() {
    let folder = TempDir::new().unwrap();
    let pids = folder.path().join("pids");
    let text = format!(
        "trap '' TERM\nsleep 1000 &\necho $$ $! > {}\nwhile :; do sleep 1000; done",
        pids.display()
    );
    let path = script(&folder, &text);
    // On a busy machine the program may be killed before it has written its numbers.
    for seconds in [1, 4, 16] {
        let after = Duration::from_secs(seconds);
        let outcome = run(settings(&path, after)).await;
        let program = path.clone();
        assert_eq!(
            outcome.cause(),
            Some(&Cause::ProgramTimeout { program, after })
        );
        if let Ok(written) = fs::read_to_string(&pids)
            && written.ends_with('\n')
        {
            for pid in written.split_whitespace() {
                wait_until_gone(pid).await;
            }
            return;
        }
    }
    panic!("the program never got to its first line");
}

#[tokio::test]
async fn dropping_the_attempt_kills_the_program() {
    let folder = TempDir::new().unwrap();
    let pids = folder.path().join("pids");
    let path = script(
        &folder,
        &format!("sleep 1000 &\necho $$ $! > {}\nwait", pids.display()),
    );
    let probe = MiscProbe::new(settings(&path, PATIENT)).unwrap();
    let pids = tokio::select! {
        outcome = probe.run() => panic!("{outcome}"),
        pids = wait_for(&pids) => pids,
    };
    for pid in pids.split(' ') {
        wait_until_gone(pid).await;
    }
}

#[tokio::test]
async fn output_without_end_does_no_harm() {
    let folder = TempDir::new().unwrap();
    let path = script(
        &folder,
        "head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2; read x",
    );
    let outcome = run(settings(&path, PATIENT)).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::ExitStatus { status: 1, .. })),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_killed_and_a_missing_program_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let path = script(&folder, "kill -9 $$");
    let outcome = run(settings(&path, PATIENT)).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Signalled { signal: 9, .. })),
        "{outcome}"
    );
    fs::remove_file(&path).unwrap();
    let outcome = run(settings(&path, PATIENT)).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Spawn { .. })),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_background_process_does_not_hold_up_the_verdict() {
    let folder = TempDir::new().unwrap();
    let path = script(&folder, "sleep 2 &\nexit 0");
    let outcome = run(settings(&path, PATIENT)).await;
    assert!(outcome.is_up(), "{outcome}");
}

#[tokio::test]
async fn a_program_that_others_can_change_is_not_run() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root owns files that are secure");
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = script(&folder, "exit 0");
    let mut secure = settings(&path, PATIENT);
    secure.secure = true;
    let outcome = run(secure.clone()).await;
    assert!(outcome.is_up(), "{outcome}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    let outcome = run(secure.clone()).await;
    assert!(
        matches!(outcome.cause(), Some(Cause::Insecure { .. })),
        "{outcome}"
    );

    // A symbolic link in a secure directory that leads to an insecure file.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(check_program(&link).is_err());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(check_program(&path).is_err(), "not executable");
    std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(check_program(&path).is_err(), "belongs to another user");
}

#[tokio::test]
async fn a_program_that_is_replaced_by_a_link_is_looked_at_anew() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root owns files that are secure");
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = script(&folder, "exit 0");
    let mut secure = settings(&path, PATIENT);
    secure.secure = true;
    let probe = MiscProbe::new(secure).unwrap();
    assert!(bounded(&probe).await.is_up());
    // Between two attempts somebody puts a link to a program of his own in its place.
    let theirs = folder.path().join("theirs");
    fs::copy(&path, &theirs).unwrap();
    std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&theirs, &path).unwrap();
    let outcome = bounded(&probe).await;
    assert!(
        outcome.to_string().contains("belongs to user 65534"),
        "{outcome}"
    );
    fs::remove_file(&path).unwrap();
    let outcome = bounded(&probe).await;
    let told = outcome.to_string();
    assert!(
        told.contains("No such file or directory"),
        "it vanished: {told}"
    );
}

#[tokio::test]
async fn the_program_runs_as_the_user_it_should() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can run a program as another user");
        return;
    }
    let mut settings = MiscSettings::new(
        [
            "/bin/sh",
            "-c",
            r#"[ "$(id -u):$(id -g):$(id -G)" = 65534:65533:65533 ]"#,
        ],
        PATIENT,
    );
    settings.credentials = Some(healthcheck::misc::Credentials {
        user: 65534,
        group: 65533,
    });
    let outcome = run(settings).await;
    assert!(outcome.is_up(), "{outcome}");
}

#[tokio::test]
async fn the_number_in_a_file_is_a_weight() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("weight");
    let probe = FileProbe::new(FileSettings {
        weight: 2,
        ..FileSettings::new(&path)
    });
    assert!(matches!(
        probe.run().await.cause(),
        Some(Cause::FileRead { .. })
    ));
    fs::write(&path, "21\n").unwrap();
    assert_eq!(probe.run().await.weight(), Some(Weight::Adjust(42)));
    fs::write(&path, "many").unwrap();
    assert!(matches!(
        probe.run().await.cause(),
        Some(Cause::FileContent { .. })
    ));
    // A file without end is read as far as a number can go.
    fs::write(&path, "0".repeat(50_000_000)).unwrap();
    assert!(bounded(&probe).await.is_up());
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        bounded(&probe).await.cause(),
        Some(Cause::FileRead { .. })
    ));
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    for path in [fifo.as_path(), Path::new("/dev/zero"), folder.path()] {
        let outcome = bounded(&FileProbe::new(FileSettings::new(path))).await;
        let path = path.to_owned();
        assert_eq!(outcome.cause(), Some(&Cause::NotAFile { path }));
    }
}

#[tokio::test]
async fn a_program_that_forks_and_forks_is_ended_as_a_whole() {
    let folder = TempDir::new().unwrap();
    let pids = folder.path().join("pids");
    let text = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' >> {} & done\nwait",
        pids.display()
    );
    let path = script(&folder, &text);
    // On a busy machine the program may be killed before all are there.
    for seconds in [1, 4, 16] {
        let after = Duration::from_secs(seconds);
        let outcome = run(settings(&path, after)).await;
        let told = outcome.to_string();
        assert!(told.ends_with("and was killed"), "{told}");
        let written = fs::read_to_string(&pids).unwrap_or_default();
        for pid in written.split_whitespace() {
            wait_until_gone(pid).await;
        }
        if written.lines().count() >= 10 {
            return;
        }
    }
    panic!("the program never got to its end");
}

#[tokio::test]
async fn output_is_not_kept() {
    let folder = TempDir::new().unwrap();
    let path = script(&folder, "exec cat /dev/zero");
    let outcome = run(settings(&path, Duration::from_secs(1))).await;
    let told = outcome.to_string();
    assert!(
        told.ends_with("did not end within 1s and was killed"),
        "{told}"
    );
}
