//! Ownership of the socket. Invariant: of all live weirs, one owns it.

use super::*;

#[test]
fn the_socket_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    let socket = ControlSocket::claim(&path).unwrap();
    let found = fs::symlink_metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    drop(socket);
    assert!(!path.exists());
}

#[test]
fn a_live_weirs_socket_is_left_alone_and_a_dead_ones_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    let live = ControlSocket::claim(&path).unwrap();
    let error = ControlSocket::claim(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: a weir is running already (process {}): stop it first, or give this one another --control",
            path.display(),
            std::process::id()
        )
    );
    drop(live);
    // kill -9 leaves a file that no process listens on.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let again = ControlSocket::claim(&path).unwrap();
    assert!(UnixStream::connect(&path).is_ok());

    // A file that another process has made there since must not be removed.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "theirs").unwrap();
    drop(again);
    assert!(path.exists());
}

#[test]
fn what_is_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    fs::write(&path, "precious").unwrap();
    let error = ControlSocket::claim(&path).unwrap_err();
    let expected = "is in the way and no socket: remove it, or give another --control";
    assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let none = dir.path().join("none");
    let error = ControlSocket::claim(&none.join("weir.sock")).unwrap_err();
    let expected = "there is no such directory: create it, or give another --control";
    assert_eq!(error.to_string(), format!("{}: {expected}", none.display()));
}

#[test]
fn of_many_that_start_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.sock");
    drop(UnixListener::bind(&path).unwrap());
    let claims: Vec<_> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..8).map(|_| scope.spawn(|| ControlSocket::claim(&path))).collect();
        starting.into_iter().map(|claim| claim.join().unwrap()).collect()
    });
    assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1, "{claims:?}");
    assert!(UnixStream::connect(&path).is_ok());
}
