//! A wire to the server that a test can cut or hold at the worst moment.
//!
//! ```text
//!   client ──TCP──▶ Wire ──unix socket──▶ server
//!                     ├ cut_next_answer: the server does what was asked, the answer is lost, the connection ends
//!                     ├ cut: all connections end
//!                     ├ lead_to: from now on connections go to another server, as after a failover
//!                     └ hold: what the client says waits; let_go: it arrives, however late
//! ```

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Listens on a port of its own for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cut_next_answer: AtomicBool,
    answers_cut: AtomicU64,
    socket: Mutex<PathBuf>,
    ends: Mutex<Vec<(TcpStream, UnixStream)>>,
    held: Mutex<bool>,
    let_go: Condvar,
}

impl Wire {
    /// A wire to the socket of a server.
    pub fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            socket: Mutex::new(socket),
            ..Shared::default()
        });
        let wire = Self {
            address,
            shared: Arc::clone(&shared),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is down: the client sees its connection end.
                let socket = lock(&shared.socket).clone();
                if let Ok(server) = UnixStream::connect(socket) {
                    shared.join(client, server);
                }
            }
        });
        wire
    }

    /// The URL of a database, by this wire.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://postgres@{}/{database}?sslmode=disable",
            self.address
        )
    }

    /// The next thing the server says is lost, and the connection with it. What was asked is done.
    pub fn cut_next_answer(&self) {
        self.shared.cut_next_answer.store(true, Ordering::SeqCst);
    }

    /// How many answers were lost so far.
    pub fn answers_cut(&self) -> u64 {
        self.shared.answers_cut.load(Ordering::SeqCst)
    }

    /// Ends all connections.
    pub fn cut(&self) {
        for (client, server) in lock(&self.shared.ends).drain(..) {
            end(&client, &server);
        }
    }

    /// Connections made from now on go to another server.
    pub fn lead_to(&self, socket: PathBuf) {
        *lock(&self.shared.socket) = socket;
    }

    /// From now on what clients say stays on the wire.
    pub fn hold(&self) {
        *lock(&self.shared.held) = true;
    }

    /// All that stayed arrives, also what was said by clients that have gone.
    pub fn let_go(&self) {
        *lock(&self.shared.held) = false;
        self.shared.let_go.notify_all();
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: TcpStream, server: UnixStream) {
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        if let (Ok(client), Ok(server)) = (client.try_clone(), server.try_clone()) {
            lock(&self.ends).push((client, server));
        }
        let asking = Arc::clone(self);
        std::thread::spawn(move || asking.ask(client, server));
        let answering = Arc::clone(self);
        std::thread::spawn(move || answering.answer(client_too, server_too));
    }

    fn ask(&self, mut client: TcpStream, mut server: UnixStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let held = lock(&self.held);
            drop(
                self.let_go
                    .wait_while(held, |held| *held)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            if server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Only now, so that what was held arrives before the end does.
        let _ = server.shutdown(Shutdown::Write);
    }

    fn answer(&self, mut client: TcpStream, mut server: UnixStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = server.read(&mut buffer) {
            if self.cut_next_answer.swap(false, Ordering::SeqCst) {
                self.answers_cut.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if client.write_all(&buffer[..count]).is_err() {
                // Its server goes on reading what the client said before it went.
                let mut rest = [0; 1024];
                while let Ok(1..) = server.read(&mut rest) {}
                return;
            }
        }
        end(&client, &server);
    }
}

fn end(client: &TcpStream, server: &UnixStream) {
    // One that has ended already is no fault.
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
