//! The load generator: keep-alive connections over loopback, one request at a time on each, every answer read whole.
//!
//! It writes requests that were put together beforehand and reads answers with `httparse`, so that on a machine it shares
//! with the server it takes little of it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    filled: usize,
}

/// An answer's status and where its body lies in the connection's buffer.
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: vec![0; 16 << 10],
            filled: 0,
        })
    }

    /// Sends one request and reads its answer.
    pub async fn ask(&mut self, request: &[u8]) -> std::io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.filled = 0;
        loop {
            if self.filled == self.read.len() {
                self.read.resize(self.filled * 2, 0);
            }
            let more = self.stream.read(&mut self.read[self.filled..]).await?;
            if more == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.filled += more;
            if let Some((status, from, to)) = whole(&self.read[..self.filled])? {
                return Ok(Answer {
                    status,
                    body: &self.read[from..to],
                });
            }
        }
    }
}

/// Status and body's place, once the whole answer is there.
fn whole(read: &[u8]) -> std::io::Result<Option<(u16, usize, usize)>> {
    let wrong = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned());
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let parsed = answer
        .parse(read)
        .map_err(|error| wrong(&error.to_string()))?;
    let httparse::Status::Complete(from) = parsed else {
        return Ok(None);
    };
    let length = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .parse::<usize>()
                .ok()
        })
        .ok_or_else(|| wrong("an answer without content-length"))?;
    let status = answer
        .code
        .ok_or_else(|| wrong("an answer without status"))?;
    Ok((read.len() >= from + length).then_some((status, from, from + length)))
}

/// A request, ready to be sent.
pub fn request(
    method: &str,
    path: &str,
    token: &str,
    key: Option<&str>,
    body: &[u8],
    into: &mut Vec<u8>,
) {
    use std::io::Write as _;
    into.clear();
    // Writing to memory does not fail.
    let _ = write!(
        into,
        "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
    );
    if let Some(key) = key {
        let _ = write!(into, "idempotency-key: {key}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(
            into,
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(body);
}

/// What one run did.
pub struct Measured {
    pub payments: u64,
    pub requests: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub took: Duration,
    /// Of whole payments, in microseconds.
    pub latency: Histogram<u64>,
    pub cpu: Duration,
    pub resident_bytes: u64,
}

/// What one worker did.
pub struct Tally {
    pub payments: u64,
    pub requests: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub latency: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            payments: 0,
            requests: 0,
            errors: 0,
            first_error: None,
            latency: Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds in order"),
        }
    }
}

impl Tally {
    pub fn paid(&mut self, since: Instant) {
        self.payments += 1;
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros);
    }

    pub fn failed(&mut self, what: impl FnOnce() -> String) {
        self.errors += 1;
        if self.first_error.is_none() {
            self.first_error = Some(what());
        }
    }
}

/// Adds the workers' tallies up.
pub fn add_up(tallies: Vec<Tally>, took: Duration, cpu: Duration) -> Measured {
    let mut sum = Tally::default();
    for tally in tallies {
        sum.payments += tally.payments;
        sum.requests += tally.requests;
        sum.errors += tally.errors;
        sum.first_error = sum.first_error.or(tally.first_error);
        sum.latency
            .add(&tally.latency)
            .expect("histograms of the same bounds");
    }
    Measured {
        payments: sum.payments,
        requests: sum.requests,
        errors: sum.errors,
        first_error: sum.first_error,
        took,
        latency: sum.latency,
        cpu,
        resident_bytes: resident_bytes(),
    }
}

/// CPU time of this process so far, user and system.
pub fn cpu_time() -> Duration {
    // SAFETY: getrusage fills the struct it is given and nothing else.
    #[expect(unsafe_code, reason = "there is no other way to one's own CPU time")]
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// Resident memory now, from the kernel's own account.
pub fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split_whitespace().nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
