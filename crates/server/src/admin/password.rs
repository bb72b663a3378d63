//! Operators' passwords: verified by Argon2id, few at a time, and slower for who keeps getting them wrong.
//!
//! **Invariant:** a name that is nobody's costs the same and is answered alike. **Not here:** sessions.

use std::sync::{Arc, OnceLock};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use axum::http::StatusCode;
use parking_lot::Mutex;
use paytone_domain::ids::Sealed;
use paytone_journal::Keyring;
use rustc_hash::FxHashMap;
use tokio::sync::Semaphore;

use crate::{
    edge::{problem::Problem, time},
    node::Node,
};

/// What binds a sealed verifier to its place.
const CONTEXT: &[u8] = b"operator password";
/// Verifications at a time: each takes 19 MiB and tens of milliseconds of a core.
const AT_A_TIME: usize = 2;
/// Failures before the first wait.
const FREE_FAILURES: u32 = 3;
const LONGEST_WAIT_MS: i64 = 60_000;
/// Names whose failures are remembered.
const REMEMBERED: usize = 10_000;
pub const SHORTEST: usize = 10;
const LONGEST: usize = 200;

/// Sign-ins under way and those that failed lately.
pub struct SignIns {
    verifying: Semaphore,
    failures: Mutex<FxHashMap<[u8; 16], Failures>>,
    nobody: OnceLock<String>,
}

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    wait_until_ms: i64,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            verifying: Semaphore::new(AT_A_TIME),
            failures: Mutex::new(FxHashMap::default()),
            nobody: OnceLock::new(),
        }
    }
}

impl SignIns {
    /// Whether `password` is what `verifier` was made of; `None`, for a name that is nobody's, takes as long and is no. Counts
    /// failures of `name`, and while it has to wait checks nothing.
    pub async fn verify(
        self: &Arc<Self>,
        name: [u8; 16],
        verifier: Option<String>,
        password: String,
    ) -> Result<bool, Problem> {
        let _permit = self.verifying.acquire().await.map_err(|_| internal())?;
        // Asked only now: of many tries at once, those behind the first few have to wait as well.
        self.may_try(name, time::now().0)?;
        let this = Arc::clone(self);
        let right = tokio::task::spawn_blocking(move || match verifier {
            Some(verifier) => matches(&verifier, &password),
            None => {
                let nobody = this
                    .nobody
                    .get_or_init(|| verifier_of("nobody has this password").unwrap_or_default());
                matches(nobody, &password);
                false
            }
        })
        .await
        .map_err(|_| internal())?;
        if right {
            self.succeeded(name);
        } else {
            self.failed(name, time::now().0);
        }
        Ok(right)
    }

    fn may_try(&self, name: [u8; 16], now_ms: i64) -> Result<(), Problem> {
        let wait_ms = self.wait_ms(name, now_ms);
        if wait_ms == 0 {
            return Ok(());
        }
        let seconds = u32::try_from(wait_ms / 1_000 + 1).unwrap_or(u32::MAX);
        Err(Problem {
            retry_after_s: Some(seconds),
            ..Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_sign_ins",
                format!("too many failures for this name; try again in {seconds} s"),
            )
        })
    }

    /// How long this name has to wait before the next try counts.
    fn wait_ms(&self, name: [u8; 16], now_ms: i64) -> i64 {
        let failures = self.failures.lock();
        failures
            .get(&name)
            .map_or(0, |failed| failed.wait_until_ms - now_ms)
            .max(0)
    }

    fn failed(&self, name: [u8; 16], now_ms: i64) {
        let mut failures = self.failures.lock();
        if failures.len() >= REMEMBERED {
            failures.retain(|_, failed| failed.wait_until_ms > now_ms);
        }
        let failed = failures.entry(name).or_default();
        failed.count = failed.count.saturating_add(1);
        let over = failed.count.saturating_sub(FREE_FAILURES);
        if over > 0 {
            let wait = (1_000_i64 << over.min(10)).min(LONGEST_WAIT_MS);
            failed.wait_until_ms = now_ms + wait;
        }
    }

    fn succeeded(&self, name: [u8; 16]) {
        self.failures.lock().remove(&name);
    }
}

/// The sealed verifier of a new password, which came in `field`.
pub async fn sealed(
    node: &Arc<Node>,
    password: String,
    field: &'static str,
) -> Result<Sealed, Problem> {
    let node = Arc::clone(node);
    let sealing = tokio::task::spawn_blocking(move || seal(&node.keyring, &password));
    let sealed = sealing.await.map_err(|_| internal())?;
    sealed.map_err(|problem| match problem.field {
        Some(_) => problem.field(field),
        None => problem,
    })
}

/// Takes tens of milliseconds of a core.
pub fn seal(keyring: &Keyring, password: &str) -> Result<Sealed, Problem> {
    let length = password.chars().count();
    if length < SHORTEST || password.len() > LONGEST {
        return Err(Problem::unprocessable(
            "weak_password",
            format!("a password has at least {SHORTEST} characters and at most {LONGEST} bytes"),
        )
        .field("password"));
    }
    let verifier = verifier_of(password).ok_or_else(internal)?;
    Ok(keyring.seal(verifier.as_bytes(), CONTEXT).into())
}

pub fn open(keyring: &Keyring, sealed: &Sealed) -> Option<String> {
    let opened = keyring.open(&sealed.0, CONTEXT).ok()?;
    String::from_utf8(opened.to_vec()).ok()
}

fn verifier_of(password: &str) -> Option<String> {
    let salt = crate::node::random();
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .ok()?;
    Some(hash.to_string())
}

fn matches(verifier: &str, password: &str) -> bool {
    PasswordHash::new(verifier).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the password could not be checked",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_password_verifies_and_another_does_not() {
        let keyring = Keyring::derived_for_simulation(1);
        let sealed = seal(&keyring, "correct horse").expect("long enough");
        let verifier = open(&keyring, &sealed).expect("opens");
        assert!(verifier.starts_with("$argon2id$"));
        assert!(matches(&verifier, "correct horse"));
        assert!(!matches(&verifier, "correct horsf"));
    }

    #[test]
    fn a_short_password_is_refused_by_name() {
        let problem = seal(&Keyring::derived_for_simulation(1), "ninechars").expect_err("short");
        assert_eq!(problem.code, "weak_password");
        assert_eq!(problem.field.as_deref(), Some("password"));
    }

    #[test]
    fn waits_begin_after_three_failures_double_and_end_with_a_success() {
        let sign_ins = SignIns::default();
        let name = [7; 16];
        let waits: Vec<i64> = (0..9)
            .map(|_| {
                sign_ins.failed(name, 1_000);
                sign_ins.wait_ms(name, 1_000)
            })
            .collect();
        assert_eq!(
            waits,
            [0, 0, 0, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]
        );
        assert_eq!(sign_ins.wait_ms([8; 16], 1_000), 0);
        assert_eq!(sign_ins.wait_ms(name, 61_000), 0);
        sign_ins.succeeded(name);
        assert_eq!(sign_ins.wait_ms(name, 1_000), 0);
    }
}
