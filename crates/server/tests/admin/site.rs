//! One operator's machine: a folder with settings and keyring, a running `paytone serve`, and people who type commands.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub const PASSWORD: &str = "correct horse battery";

pub struct Site {
    folder: TempDir,
    server: Option<Child>,
    /// `http://127.0.0.1:port`, once it serves.
    pub origin: String,
    tokens: BTreeMap<String, String>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub fn done(self) -> Self {
        assert!(self.ok, "{}{}", self.out, self.err);
        self
    }

    /// Failed, with this in its words.
    #[track_caller]
    pub fn refused(self, words: &str) -> Self {
        assert!(!self.ok, "{}", self.out);
        assert!(self.err.contains(words), "{:?} not in {}", words, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Site {
    /// Settings and keyring, not running yet. `more` is added to the settings.
    pub fn new(more: &str) -> Self {
        Self::at("127.0.0.1:0", more)
    }

    /// The same at an address.
    pub fn at(listen: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let site = Self {
            folder,
            server: None,
            origin: String::new(),
            tokens: BTreeMap::new(),
        };
        let settings = format!(
            "data = {:?}\nkeyring = {:?}\nlisten = {listen:?}\n{more}\n",
            site.path("data"),
            site.path("keyring.toml")
        );
        std::fs::write(site.path("paytone.toml"), settings).expect("settings");
        let keyring = site.path("keyring.toml");
        site.run(&["keyring", "init", "--file", &text(&keyring)])
            .done();
        site
    }

    /// Running, with two administrators, ann and bob.
    pub fn running() -> Self {
        Self::running_with("")
    }

    /// The same with more settings.
    pub fn running_with(more: &str) -> Self {
        let mut site = Self::new(more);
        site.open();
        site
    }

    /// Serves for the first time, and has ann and bob.
    pub fn open(&mut self) {
        self.serve();
        self.add("ann", "admin");
        self.sign_in("ann");
        self.as_("ann", &["operator", "add", "bob", "--role", "admin"])
            .done();
        self.sign_in("bob");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paytone"));
        command
            .args(args)
            .env("PAYTONE_CONFIG", self.path("paytone.toml"))
            .env("PAYTONE_PASSWORD", PASSWORD)
            .env_remove("PAYTONE_TOKEN")
            .env_remove("RUST_LOG")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Starts the server and waits until it says where it is.
    pub fn serve(&mut self) {
        self.begin_to_serve();
        self.served();
    }

    /// Starts the server and waits for nothing.
    pub fn begin_to_serve(&mut self) {
        let server = self
            .command(&["serve"])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(self.path("log")).expect("a log"))
            .spawn()
            .expect("it starts");
        self.server = Some(server);
    }

    /// Serves, and from its first line on nobody reads what it prints or logs.
    pub fn serve_unheard(&mut self) {
        let mut command = self.command(&["serve"]);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = piped.env("RUST_LOG", "debug").spawn().expect("it starts");
        drop(server.stderr.take());
        let mut out = BufReader::new(server.stdout.take().expect("a pipe"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a line");
        let origin = first.trim_end().strip_prefix("paytone serves ");
        self.origin = origin.expect("an origin").to_owned();
        self.server = Some(server);
    }

    /// Waits until it says where it is.
    pub fn served(&mut self) {
        let server = self.server.as_mut().expect("it was started");
        let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
        let mut said = || lines.next().and_then(Result::ok).unwrap_or_default();
        let first = said();
        let Some(origin) = first.strip_prefix("paytone serves ") else {
            let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
            panic!("{first}\n{log}");
        };
        self.origin = origin.to_owned();
        assert!(said().starts_with("admin socket "));
    }

    /// What a server that should not start says.
    pub fn serve_in_vain(&self) -> Ran {
        self.command(&["serve"]).output().expect("it runs").into()
    }

    /// Asks the server to stop, as an init system does, and waits for it.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let id = i32::try_from(server.id()).expect("a process id");
            // SAFETY: a signal to our own child, which has not been waited for.
            unsafe { libc::kill(id, libc::SIGTERM) };
            let status = server.wait().expect("it ends");
            assert!(status.success(), "{status}: {}", self.log());
        }
    }

    /// Ends the server without a word, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().expect("it is killed");
            server.wait().expect("it ends");
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// A command of nobody in particular.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().expect("it runs").into()
    }

    /// A command of somebody who has signed in.
    pub fn as_(&self, who: &str, args: &[&str]) -> Ran {
        self.command(args)
            .env("PAYTONE_TOKEN", &self.tokens[who])
            .output()
            .expect("it runs")
            .into()
    }

    /// Adds an operator without a session, which only the very first one can.
    pub fn add(&self, name: &str, role: &str) {
        self.run(&["operator", "add", name, "--role", role]).done();
    }

    pub fn sign_in(&mut self, name: &str) {
        let answer = self.run(&["sign-in", name, "--json"]).done().json();
        let token = answer["token"].as_str().expect("a token").to_owned();
        self.tokens.insert(name.to_owned(), token);
    }

    /// ann adds somebody, bob agrees.
    pub fn hire(&mut self, name: &str, role: &str) {
        self.agreed(&["operator", "add", name, "--role", role]);
        self.sign_in(name);
    }

    /// ann asks for something that takes two, bob approves it. Answers what came of it.
    #[track_caller]
    pub fn agreed(&self, args: &[&str]) -> Value {
        let asked = self.as_("ann", &[args, &["--json"]].concat()).done().json();
        assert_eq!(asked["outcome"], "proposed", "{asked}");
        let proposal = asked["proposal"].as_str().expect("a proposal");
        self.as_("bob", &["approve", proposal, "--json"])
            .done()
            .json()
    }

    /// Every file under the data folder, by name.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.path("data")).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let mut bytes = Vec::new();
                let mut file = std::fs::File::open(&path).expect("it opens");
                file.read_to_end(&mut bytes).expect("it reads");
                files.push((path, bytes));
            }
        }
        files
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // The test failed; what is left goes with it.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
