//! The program itself: settings, keyring, starting and stopping.

use crate::site::Site;

#[test]
fn the_printed_settings_are_accepted() {
    let site = Site::new("");
    let printed = site.run(&["config"]).done().out;
    assert!(printed.contains("# Where HTTP is served."), "{printed}");
    let path = site.write("printed.toml", &printed);
    let folder = site.path("elsewhere").display().to_string();
    // It gets as far as finding nobody there.
    site.run(&["worklist", "--config", &path, "--data", &folder])
        .refused("no server answers");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    Site::new("colour = \"red\"")
        .serve_in_vain()
        .refused("colour");
}

#[test]
fn serve_refuses_the_channel_that_shows_codes_on_the_page() {
    Site::new("code_channels = [\"screen\"]")
        .serve_in_vain()
        .refused("code_channels");
}

#[test]
fn a_server_goes_on_when_nobody_reads_what_it_prints_and_logs() {
    // Many links, so that there are lines to print when nobody reads any more.
    let links = (0..64).map(|link| {
        format!("[[till.links]]\nname = \"counter-{link}\"\nlisten = \"127.0.0.1:0\"\n")
    });
    let links: String = links.collect();
    let mut site = Site::new(&format!("[till]\nrange = \"88880012\"\n{links}"));
    site.serve_unheard();
    site.add("ann", "admin");
    site.sign_in("ann");
    site.as_("ann", &["snapshot"]).done();
    site.stop();
}

#[test]
fn a_keyring_of_another_journal_is_refused_and_the_right_one_still_fits() {
    let mut site = Site::new("");
    site.serve();
    site.stop();
    let (keyring, kept) = (site.path("keyring.toml"), site.path("kept.toml"));
    std::fs::rename(&keyring, &kept).expect("moves");
    let name = keyring.display().to_string();
    site.serve_in_vain().refused("there is no keyring");
    site.run(&["keyring", "init", "--file", &name]).done();
    site.run(&["keyring", "init", "--file", &name])
        .refused("never overwritten");
    site.serve_in_vain().refused("does not fit");
    std::fs::rename(&kept, &keyring).expect("moves back");
    site.serve();
    site.stop();
}

#[test]
fn showing_a_keyring_tells_ids_and_fingerprint_and_no_secret() {
    let site = Site::new("");
    let file = site.path("keyring.toml");
    let name = file.display().to_string();
    let shown = site.run(&["keyring", "show", "--file", &name]).done().out;
    assert!(
        shown.contains("fingerprint ") && shown.contains("master"),
        "{shown}"
    );
    let text = std::fs::read_to_string(&file).expect("a keyring");
    for secret in text
        .lines()
        .filter_map(|line| line.strip_prefix("secret = "))
    {
        assert!(!shown.contains(secret.trim_matches('"')));
    }
    site.run(&["keyring", "rotate", "master", "--file", &name])
        .done();
    let rotated = site.run(&["keyring", "show", "--file", &name]).done().out;
    assert_eq!(rotated.matches("master").count(), 2, "{rotated}");
    site.run(&["keyring", "rotate", "pin", "--file", &name])
        .refused("cannot be rotated");
}

#[test]
fn only_the_owner_can_open_the_admin_socket_and_it_goes_when_the_server_stops() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut site = Site::running();
    let socket = site.path("data").join("admin.sock");
    let mode = std::fs::metadata(&socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = site.path("data").join("operator-token");
    let mode = std::fs::metadata(&token)
        .expect("a token")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    site.stop();
    assert!(!socket.exists());
    // What was done before is there after a new start.
    site.serve();
    site.as_("ann", &["operator", "list"]).done();
    site.stop();
}
