//! A maintenance directory as ldirectord has it: a file named after a real server takes it out of use for as long as it is
//! there. The names are `ADDRESS`, `ADDRESS:PORT`, and with a name for the address also `NAME` and `NAME:PORT`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the directory is read.
const PERIOD: Duration = Duration::from_secs(1);

/// Files that are looked at.
const FILES: usize = 10_000;

/// Real servers named by files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named {
    files: BTreeMap<(IpAddr, Option<u16>), PathBuf>,
}

impl Named {
    /// The file that names this real server.
    pub(crate) fn file(&self, server: SocketAddr) -> Option<&Path> {
        let exact = self.files.get(&(server.ip(), Some(server.port())));
        exact
            .or_else(|| self.files.get(&(server.ip(), None)))
            .map(PathBuf::as_path)
    }
}

/// Watches the directory until the handle is aborted. It is polled, so that it may be on any file system; reading it happens
/// on another thread.
pub(crate) fn observe(directory: PathBuf) -> (watch::Receiver<Named>, JoinHandle<()>) {
    let (sender, receiver) = watch::channel(Named::default());
    let task = tokio::spawn(async move {
        let mut known: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
        let mut warned = false;
        loop {
            let path = directory.clone();
            let work = tokio::task::spawn_blocking(move || {
                let names = read(&path);
                (names, known)
            });
            let Ok((names, before)) = work.await else {
                return;
            };
            known = before;
            match names {
                Ok(names) => {
                    warned = false;
                    let (named, resolved) = resolve(&directory, names, known).await;
                    known = resolved;
                    sender.send_if_modified(|old| {
                        let new = *old != named;
                        *old = named;
                        new
                    });
                }
                // What was known stays: a file server that is away must not bring servers back.
                Err(error) if !warned => {
                    warned = true;
                    let path = directory.display();
                    tracing::warn!(event = "maintenance_directory", %error, "the maintenance directory {path} cannot be read: {error}");
                }
                Err(_) => {}
            }
            tokio::time::sleep(PERIOD).await;
        }
    });
    (receiver, task)
}

fn read(directory: &Path) -> std::io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(directory)?.take(FILES) {
        if let Ok(name) = entry?.file_name().into_string() {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Names are resolved once, when their file appears.
async fn resolve(
    directory: &Path,
    names: BTreeSet<String>,
    mut known: BTreeMap<String, Vec<IpAddr>>,
) -> (Named, BTreeMap<String, Vec<IpAddr>>) {
    known.retain(|name, _| names.contains(name));
    let mut named = Named::default();
    for name in names {
        let path = directory.join(&name);
        if let Some((address, port)) = address(&name) {
            named.files.insert((address, port), path);
            continue;
        }
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), port.parse().ok()),
            None => (name.clone(), None),
        };
        if !known.contains_key(&name) {
            let host = host.clone();
            let found = tokio::task::spawn_blocking(move || {
                let found = (host.as_str(), 0).to_socket_addrs();
                found
                    .map(|all| all.map(|address| address.ip()).collect())
                    .unwrap_or_default()
            });
            known.insert(name.clone(), found.await.unwrap_or_default());
        }
        for address in known.get(&name).into_iter().flatten() {
            named.files.insert((*address, port), path.clone());
        }
    }
    (named, known)
}

fn address(name: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(both) = name.parse::<SocketAddr>() {
        return Some((both.ip(), Some(both.port())));
    }
    name.parse().ok().map(|address| (address, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_name_servers_with_and_without_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let touch = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        touch("10.0.0.4");
        touch("10.0.0.5:80");
        touch("localhost:8080");
        touch("no.such.name.invalid");
        let (mut named, task) = observe(folder.path().to_owned());
        named.changed().await.unwrap();
        let now = named.borrow_and_update().clone();
        let out = |server: &str| now.file(server.parse().unwrap()).is_some();
        assert!(out("10.0.0.4:80") && out("10.0.0.4:443"));
        assert!(out("10.0.0.5:80") && !out("10.0.0.5:81"));
        assert!(out("127.0.0.1:8080") || out("[::1]:8080"));
        std::fs::remove_file(folder.path().join("10.0.0.4")).unwrap();
        named.changed().await.unwrap();
        assert!(
            named
                .borrow()
                .file("10.0.0.4:80".parse().unwrap())
                .is_none()
        );
        task.abort();
    }
}
