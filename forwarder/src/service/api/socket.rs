//! Makes and removes the socket file. Invariant: the file is made with mode 0600 in one step, and only
//! one weir at a time decides whose it is.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};
use nix::sys::{
    socket::{
        AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
        socket, sockopt::PeerCredentials,
    },
    stat::{Mode, fchmod},
};

const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// A listening control socket. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file, for as long as it is ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: a file that another weir has made there since must not be removed.
    id: (u64, u64),
}

impl ControlSocket {
    /// Claims the path: refuses if a process listens there, and replaces a dead weir's socket.
    pub fn claim(path: &Path) -> anyhow::Result<Self> {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Two weirs that start at once would both find a dead socket, and the slower would remove the
        // faster one's new one.
        let _alone = lock(dir).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!(
                "{}: there is no such directory: create it, or give another --control",
                dir.display()
            ),
            _ => unmade(path, error),
        })?;
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => bail!(
                "{}: is in the way and no socket: remove it, or give another --control",
                path.display()
            ),
            Ok(_) => remove_dead(path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unmade(path, error)),
        }
        let listener = listen_at(path).map_err(|error| unmade(path, error))?;
        let id = identity(path).map_err(|error| unmade(path, error))?;
        Ok(Self { listener, file: SocketFile { path: path.into(), id } })
    }

    pub fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn into_listener(self) -> io::Result<(tokio::net::UnixListener, SocketFile)> {
        self.listener.set_nonblocking(true)?;
        Ok((tokio::net::UnixListener::from_std(self.listener)?, self.file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|id| id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// The lock ends with the file.
fn lock(dir: &Path) -> io::Result<File> {
    let file = File::open(dir)?;
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn unmade(path: &Path, error: io::Error) -> anyhow::Error {
    anyhow!("{}: the control socket cannot be made: {error}", path.display())
}

fn remove_dead(path: &Path) -> anyhow::Result<()> {
    let pid = match peer_of(path) {
        Ok(pid) => pid,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return fs::remove_file(path).map_err(|error| unmade(path, error));
        }
        // The backlog is full: so a process listens, however slowly.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => return Err(unmade(path, error)),
    };
    bail!(
        "{}: a weir is running already{}: stop it first, or give this one another --control",
        path.display(),
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )
}

/// The listening process, without waiting for it.
fn peer_of(path: &Path) -> io::Result<Option<i32>> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(probe.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(getsockopt(&probe, PeerCredentials).ok().map(|peer| peer.pid()))
}

fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let socket: OwnedFd =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    // Linux gives the file the unbound socket's mode: so there is no moment at which anyone else could
    // open it.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::new(64)?)?;
    Ok(UnixListener::from(socket))
}
