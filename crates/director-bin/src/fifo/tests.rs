use super::*;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

fn plan(path: &Path) -> FifoPlan {
    FifoPlan {
        keyword: "notify_fifo",
        path: path.to_owned(),
        vrrp: true,
        lvs: true,
        owner: None,
        mode: 0o600,
        script: None,
    }
}

fn line(number: usize) -> Line {
    Line::instance(&format!("VI_{number}"), "MASTER", 100)
}

fn shell(text: &str) -> Program {
    Program::new(["/bin/sh", "-c", text, "sh"].map(str::to_owned).to_vec())
}

#[tokio::test]
async fn a_fifo_is_made_for_its_owner_only_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let mut fifos = Fifos::default();
    fifos.replace(&[plan(&path)]);
    let metadata = path.metadata().unwrap();
    assert!(metadata.file_type().is_fifo());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    // A reader that comes later finds what was written before.
    fifos.write(&line(1));
    let mut reader = std::fs::File::open(&path).unwrap();
    fifos.finish(Duration::from_secs(30)).await;
    assert!(!path.exists());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "INSTANCE \"VI_1\" MASTER 100\n");
}

#[tokio::test]
async fn each_gets_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["v", "l"]
        .iter()
        .map(|name| folder.path().join(name))
        .collect();
    let vrrp = FifoPlan {
        lvs: false,
        ..plan(&paths[0])
    };
    let lvs = FifoPlan {
        vrrp: false,
        ..plan(&paths[1])
    };
    let mut fifos = Fifos::default();
    fifos.replace(&[vrrp, lvs]);
    fifos.write(&line(1));
    fifos.write(&Line::virtual_server("FWM 7", true));
    let mut files: Vec<_> = paths
        .iter()
        .map(|path| std::fs::File::open(path).unwrap())
        .collect();
    fifos.finish(Duration::from_secs(30)).await;
    let texts: Vec<String> = files
        .iter_mut()
        .map(|file| {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        })
        .collect();
    assert_eq!(texts, ["INSTANCE \"VI_1\" MASTER 100\n", "VS FWM 7 UP\n\0"]);
}

#[tokio::test]
async fn without_a_reader_lines_are_lost_whole_and_nothing_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let mut fifos = Fifos::default();
    fifos.replace(&[plan(&path)]);
    for number in 0..10_000 {
        fifos.write(&line(number));
    }
    assert!(fifos.open[0].lost > 0);
    let mut reader = std::fs::File::open(&path).unwrap();
    fifos.finish(Duration::from_secs(30)).await;
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.len() > 60_000, "as much as the kernel keeps");
    for (number, written) in text.lines().enumerate() {
        assert_eq!(written, format!("INSTANCE \"VI_{number}\" MASTER 100"));
    }
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(b"precious")
        .unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let missing = folder.path().join("none/fifo");
    let mut fifos = Fifos::default();
    fifos.replace(&[
        plan(&path),
        plan(&link),
        plan(&missing),
        plan(folder.path()),
    ]);
    fifos.write(&line(1));
    fifos.finish(Duration::from_secs(30)).await;
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    // A FIFO that was there before stays there.
    let there = folder.path().join("there");
    nix::unistd::mkfifo(&there, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut fifos = Fifos::default();
    fifos.replace(&[plan(&there)]);
    assert_eq!(fifos.open.len(), 1);
    fifos.finish(Duration::from_secs(30)).await;
    assert!(there.exists());
}

#[tokio::test]
async fn a_fifo_of_somebody_else_is_refused_and_a_named_owner_gets_his() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("skipped: only root can give files away");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let nobody = Identity::new(65_534, 65_534);
    let mut fifos = Fifos::default();
    fifos.replace(&[FifoPlan {
        owner: Some(nobody.clone()),
        ..plan(&path)
    }]);
    assert_eq!(path.metadata().unwrap().uid(), 65_534);
    fifos.finish(Duration::from_secs(30)).await;
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    nix::unistd::chown(&path, Some(65_534.into()), None).unwrap();
    let mut fifos = Fifos::default();
    fifos.replace(&[plan(&path)]);
    assert!(fifos.open.is_empty());
    fifos.replace(&[FifoPlan {
        owner: Some(nobody),
        ..plan(&path)
    }]);
    assert_eq!(fifos.open.len(), 1);
}

#[tokio::test]
async fn the_script_reads_to_the_end_and_is_started_again_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let out = folder.path().join("out");
    let text = format!("head -n 1 \"$1\" >> {}", out.display());
    let mut fifos = Fifos::default();
    fifos.replace(&[FifoPlan {
        script: Some(shell(&text)),
        ..plan(&path)
    }]);
    // Each run of this script reads one line and ends.
    for number in 0..2 {
        fifos.write(&line(number));
        let wanted = format!("VI_{number}");
        let read = async {
            while !std::fs::read_to_string(&out)
                .unwrap_or_default()
                .contains(&wanted)
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), read)
            .await
            .expect("the script reads");
    }
    fifos.finish(Duration::from_secs(30)).await;
    let mut fifos = Fifos::default();
    std::fs::remove_file(&out).unwrap();
    let text = format!("cat \"$1\" > {}", out.display());
    let with_cat = FifoPlan {
        script: Some(shell(&text)),
        ..plan(&path)
    };
    fifos.replace(std::slice::from_ref(&with_cat));
    for number in 0..100 {
        fifos.write(&line(number));
        // A script that has not opened the FIFO when it is removed never reads.
        while !std::fs::read_to_string(&out)
            .unwrap_or_default()
            .contains("VI_0\"")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // A reload without a change does not touch the reader.
        fifos.replace(std::slice::from_ref(&with_cat));
    }
    fifos.finish(Duration::from_secs(60)).await;
    assert_eq!(std::fs::read_to_string(&out).unwrap().lines().count(), 100);
}

#[tokio::test]
async fn a_script_that_ignores_the_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let started = folder.path().join("started");
    let text = format!(
        "trap '' TERM; : > {}; while :; do sleep 1; done",
        started.display()
    );
    let mut fifos = Fifos::default();
    fifos.replace(&[FifoPlan {
        script: Some(shell(&text)),
        ..plan(&path)
    }]);
    while !started.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::timeout(
        Duration::from_secs(60),
        fifos.finish(Duration::from_millis(100)),
    )
    .await
    .expect("it is killed");
}
