//! The cluster: made, started, stopped the hard way, paused.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Ends what was started when its input ends: `$1` is the folder.
const WATCHER: &str = "
    cat > /dev/null
    pid=$(head -n 1 \"$1/data/postmaster.pid\" 2> /dev/null) && kill -QUIT \"$pid\" 2> /dev/null
    for _ in $(seq 200); do
        [ -n \"$pid\" ] && kill -0 \"$pid\" 2> /dev/null || break
        sleep 0.05
    done
    rm -rf \"$1\"
";

/// A running PostgreSQL. It ends with this value, or with the process.
#[derive(Debug)]
pub struct Cluster {
    /// Holds the data, the socket and the log; the watcher removes it.
    folder: PathBuf,
    programs: PathBuf,
    /// Who the server runs as, where that is not who we are.
    user: Option<(u32, u32)>,
    databases: AtomicU32,
    watcher: Child,
    /// Closed by the operating system at the latest.
    lifeline: Option<ChildStdin>,
}

impl Cluster {
    /// The one of this process, started when it is first asked for.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Another one, for tests that stop it.
    ///
    /// # Panics
    ///
    /// When PostgreSQL is not installed or does not start; says what it said.
    pub fn start() -> Self {
        let cluster = Self::in_new_folder();
        cluster.run(
            "initdb",
            &[
                "--pgdata=data",
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
        );
        cluster.restart();
        cluster
    }

    /// A copy of this one that follows it, reads only, and can take over.
    ///
    /// # Panics
    ///
    /// When it does not start; says what it said.
    pub fn standby(&self) -> Self {
        let standby = Self::in_new_folder();
        standby.run(
            "pg_basebackup",
            &[
                "--pgdata=data",
                &format!("--host={}", self.folder.display()),
                "--username=postgres",
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ],
        );
        standby.restart();
        standby
    }

    /// Makes a standby the primary; comes back once it takes writes.
    pub fn promote(&self) {
        self.run("pg_ctl", &["promote", "--pgdata=data", "--wait"]);
    }

    fn in_new_folder() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("paytone-pg-")
            // Wherever else temporary files go: a socket's path has room for 107 bytes, and the user postgres must get there.
            .tempdir_in("/tmp")
            .expect("a temporary folder")
            .keep();
        let user = other_user(&folder);
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).expect("the folder can be handed over");
        }
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A signal to the test's group is not meant for it.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let lifeline = watcher.stdin.take();
        Self {
            programs: programs(),
            folder,
            user,
            databases: AtomicU32::new(0),
            watcher,
            lifeline,
        }
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name, "postgres")
    }

    /// The URL of a database for a user. Only the password of users that [`Self::database`] does not give would matter:
    /// everybody is trusted here.
    pub fn url(&self, database: &str, user: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgresql://{user}@{folder}/{database}")
    }

    /// Where its socket is.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Runs statements as the superuser; gives back what they print, a line per row.
    ///
    /// # Panics
    ///
    /// When one of them fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let folder = self.folder.display().to_string();
        let output = self.run(
            "psql",
            &[
                "--no-psqlrc",
                "--quiet",
                "--tuples-only",
                "--no-align",
                "--set=ON_ERROR_STOP=1",
                &format!("--host={folder}"),
                "--username=postgres",
                &format!("--dbname={database}"),
                &format!("--command={statements}"),
            ],
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// As a power cut: every process ends at once, and the next start recovers from the log.
    pub fn crash(&self) {
        self.run(
            "pg_ctl",
            &["stop", "--pgdata=data", "--mode=immediate", "--wait"],
        );
    }

    /// Lets a role in with its password only. Everybody else is trusted.
    ///
    /// # Panics
    ///
    /// When the server does not come back.
    pub fn demand_passwords_of(&self, role: &str) {
        let path = self.folder.join("data/pg_hba.conf");
        let rules = std::fs::read_to_string(&path).expect("rules");
        let rules = format!("local all {role} scram-sha-256\n{rules}");
        self.crash();
        std::fs::write(&path, rules).expect("the rules can be written");
        self.restart();
    }

    /// Starts it again, and comes back once it takes connections.
    pub fn restart(&self) {
        let options = format!(
            "-k {} -c listen_addresses='' -c max_connections=300 -c shared_buffers=32MB -c max_wal_size=512MB \
             -c autovacuum_naptime=5s",
            self.folder.display()
        );
        self.run(
            "pg_ctl",
            &[
                "start",
                "--pgdata=data",
                "--log=log",
                "--wait",
                "--timeout=60",
                &format!("--options={options}"),
            ],
        );
    }

    /// Stops the processes that serve a database, as an overloaded or frozen machine would; they go on when the answer is
    /// dropped.
    pub fn pause(&self, database: &str) -> Paused {
        let found = self.sql(
            "postgres",
            &format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}'"),
        );
        let pids: Vec<String> = found.lines().map(str::to_owned).collect();
        assert!(!pids.is_empty(), "nobody is connected to {database}");
        signal("-STOP", &pids);
        Paused { pids }
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        // What it says goes to a file: a server that it starts would keep a pipe open.
        let said = self.folder.join(format!("{program}.out"));
        let mut command = Command::new(self.programs.join(program));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_remove("PGDATABASE")
            .env_remove("PGOPTIONS")
            .stdin(Stdio::null())
            .process_group(0);
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        let output = if program == "pg_ctl" {
            let file = File::create(&said).expect("a file for what it says");
            let errors = file.try_clone().expect("a second handle");
            let status = command.stdout(file).stderr(errors).status();
            status.map(|status| Output {
                status,
                stdout: std::fs::read(&said).unwrap_or_default(),
                stderr: Vec::new(),
            })
        } else {
            command.output()
        };
        let output = output.unwrap_or_else(|error| {
            panic!("{program} of PostgreSQL: {error}; scripts/install installs it")
        });
        assert!(
            output.status.success(),
            "{program}: {}{}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.log(),
        );
        output
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // It was started by us and ends by itself; there is nothing to do about a failure.
        let _ = self.watcher.wait();
    }
}

/// Processes of the server that stand still.
#[derive(Debug)]
pub struct Paused {
    pids: Vec<String>,
}

impl Drop for Paused {
    fn drop(&mut self) {
        signal("-CONT", &self.pids);
    }
}

fn signal(name: &str, pids: &[String]) {
    // One that has ended meanwhile is no fault.
    let sent = Command::new("kill")
        .arg(name)
        .args(pids)
        .stderr(Stdio::null())
        .status();
    sent.expect("kill can be run");
}

/// The user `postgres`, when we are root; told by who owns what we make.
fn other_user(ours: &Path) -> Option<(u32, u32)> {
    if ours.metadata().expect("the folder is there").uid() != 0 {
        return None;
    }
    let users = File::open("/etc/passwd").expect("a list of users");
    let line = BufReader::new(users)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("postgres:"))
        .expect("a user postgres; scripts/install installs PostgreSQL");
    let mut fields = line.split(':').skip(2);
    let mut id = || fields.next()?.parse().ok();
    Some((id().expect("a user id"), id().expect("a group id")))
}

fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("PAYTONE_POSTGRES_BIN") {
        return PathBuf::from(folder);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists())
        .max();
    // Without one, whatever the search path has.
    newest.map_or_else(PathBuf::new, |(_, path)| path)
}
