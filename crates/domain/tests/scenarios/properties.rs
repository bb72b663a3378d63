//! Random commands in a small world: the invariants hold after each, a retry changes nothing, and in the end every payment
//! has its verdict and no money is left on its way.

use paytone_domain::{
    State,
    funding::{Direction, EffectState},
    ledger::AccountKind,
    payment::{Payment, Status},
};
use proptest::prelude::*;

use crate::support::script::Script;

/// A random command: which, about whom and what, and how much.
type Step = (u8, u8, u8, u16);

const PEOPLE: [&str; 8] = [
    "alice", "bob", "carol", "alice", "bob", "alice", "bob", "nobody",
];
const MERCHANTS: [&str; 2] = ["shop", "cafe"];
const ORDERS: [&str; 3] = [
    "grant,balance,bill,bank",
    "bank,bill,balance,grant",
    "bill,grant,bank,balance",
];
const SPANS: [&str; 8] = ["1s", "30s", "3m", "20m", "2h", "24h", "49h", "8d"];

fn is_over(payment: &Payment) -> bool {
    !matches!(
        payment.status,
        Status::AwaitingApproval | Status::Funding | Status::Authorized
    )
}

struct Run {
    script: Script,
    /// The same world, in which nothing ever leaves memory.
    twin: Script,
    made: usize,
    keyed: Vec<String>,
}

impl Run {
    fn new() -> Self {
        let (mut script, mut twin) = (Script::default(), Script::default());
        for row in [
            "cash alice 400",
            "grant g1 alice 60 expires=2h",
            "grant g2 alice 60 expires=3d in=5812 refund=extend:1",
            "line alice bill=200 bank",
            "cash bob 150",
            "grant g3 bob 80 expires=24h at=shop refund=forfeit",
            "line bob bank",
            "line carol bill=120",
            "rules daily_limit=2000 monthly_limit=5000 attention_per_day=40",
        ] {
            script.run(row);
            twin.run(row);
        }
        Self {
            script,
            twin,
            made: 0,
            keyed: Vec::new(),
        }
    }

    /// The name of something made before, picked by `pick`.
    fn some(&self, kind: &str, pick: u8) -> Option<String> {
        let names: Vec<&String> = match kind {
            "payment" => self.script.payments.keys().collect(),
            "mandate" => self.script.mandates.keys().collect(),
            _ => self.script.devices.keys().collect(),
        };
        // The latest ones are the most interesting.
        let recent = names.len().min(8);
        (recent > 0).then(|| names[names.len() - 1 - usize::from(pick) % recent].clone())
    }

    /// A payment that is as a command needs it; now and then any.
    fn payment(&self, pick: u8, fits: impl Fn(&State, &Payment) -> bool) -> Option<String> {
        let state = &self.twin.world.state;
        let fitting: Vec<_> = self
            .script
            .payments
            .iter()
            .filter(|(_, id)| fits(state, &state.payments[*id]))
            .collect();
        if fitting.is_empty() || pick % 8 == 7 {
            return self.some("payment", pick / 8);
        }
        Some(fitting[usize::from(pick) % fitting.len()].0.clone())
    }

    /// The row for a step, where there is something to do it with.
    fn row(&mut self, (kind, a, b, n): Step) -> Option<String> {
        let who = PEOPLE[usize::from(a) % PEOPLE.len()];
        let holder = PEOPLE[usize::from(a) % 3];
        let merchant = MERCHANTS[usize::from(b) % 2];
        let minor = 1 + n % 160;
        self.made += 1;
        // Names sort as they were made.
        let new = format!("{:05}", self.made);
        let key = |body: &str| format!("{body} key=k{new} body={new}");
        let waiting = || self.payment(a, |_, payment| payment.status == Status::AwaitingApproval);
        let authorized = || self.payment(a, |_, payment| payment.status == Status::Authorized);
        let captured = || self.payment(a, |_, payment| payment.captured > payment.refunded);
        let standing = || self.payment(a, |_, payment| !is_over(payment));
        let abroad = || {
            self.payment(a, |state, payment| {
                state
                    .effects
                    .values()
                    .any(|effect| effect.payment == payment.id)
            })
        };
        let mandate = || self.some("mandate", a);
        let device = || self.some("device", b);
        let small = 1 + n % 60;
        Some(match kind % 42 {
            0..=5 => {
                let other = if b & 2 == 0 { "" } else { " other" };
                let manual = if b & 4 == 0 { "" } else { " manual" };
                key(&format!(
                    "pay p{new} {who} {merchant} {minor}{other}{manual}"
                ))
            }
            6..=11 => match b % 8 {
                0 => format!("approve {} pin=wrong", waiting()?),
                1 if n % 3 == 0 => format!("approve {} code=wrong", waiting()?),
                2 => format!("approve {} by={}", waiting()?, device()?),
                3 if n % 3 == 0 => format!("approve {} sig=bad", waiting()?),
                _ => format!("approve {}", waiting()?),
            },
            12 => format!("refuse {}", waiting()?),
            13 if n % 4 == 0 => format!("report {}", waiting()?),
            13 | 14 => key(&format!("cancel {}", standing()?)),
            15 => key(&format!("capture {}", authorized()?)),
            16 => key(&format!("capture {} {small}", authorized()?)),
            17 | 18 => key(&format!("refund r{new} {} {small}", captured()?)),
            19 => key(&format!("refund r{new} {}", captured()?)),
            20 | 21 => format!("attempt {}", abroad()?),
            22 | 23 => format!("done {}", abroad()?),
            24 => format!("refused {}", abroad()?),
            25 => format!("unknown {}", abroad()?),
            26 => key(&format!(
                "mandate m{new} {who} {merchant} each=100 month=300 days=9"
            )),
            27 => format!("sign {}", mandate()?),
            28 | 29 => key(&format!("charge p{new} {} {minor}", mandate()?)),
            30 => match b % 4 {
                0 => format!("revoke {}", mandate()?),
                1 => format!("resume {}", mandate()?),
                2 => format!("decline {}", mandate()?),
                _ => key(&format!("end {}", mandate()?)),
            },
            31 => format!("wait {}", SPANS[usize::from(b) % SPANS.len()]),
            32 => format!("pass {}", SPANS[usize::from(b) % 5]),
            33 => "tick".to_owned(),
            34 => match b % 4 {
                0 => format!(
                    "grant l{new} {holder} {small} expires={}",
                    SPANS[usize::from(a) % 8]
                ),
                1 => format!("cash {holder} {minor}"),
                2 => format!("adjust {holder} -{small}"),
                _ => format!("order {holder} {}", ORDERS[usize::from(n) % 3]),
            },
            35 => match b % 4 {
                0 => format!("ask e{} {who}", n % 5),
                1 => format!("code e{} right", n % 5),
                2 => format!("enrol e{} d{new}", n % 5),
                _ => format!("enrol e{} d{new} recovery", n % 5),
            },
            36 if b % 2 == 0 => format!("let {} by={}", self.some("device", a)?, device()?),
            36 if n % 4 == 0 => format!("stop {} by={}", self.some("device", a)?, device()?),
            37 => match b % 6 {
                0 if n % 4 == 0 => format!("line {holder} sim=now"),
                1 => format!("line {holder} asof=now"),
                2 if n % 3 == 0 => format!("recycle {holder} n{new}"),
                3 if n % 3 == 0 => format!("renumber {holder} n{new}"),
                4 if n % 5 == 0 => format!("erase {holder}"),
                _ => format!("unlock {holder}"),
            },
            38 => match b % 4 {
                0 => format!("block {holder}"),
                1 => format!("unblock {holder}"),
                2 if n % 4 == 0 => "block cafe".to_owned(),
                _ => "unblock cafe".to_owned(),
            },
            39 => return self.again(n),
            _ => "archive".to_owned(),
        })
    }

    /// A keyed request from before, once more.
    fn again(&self, pick: u16) -> Option<String> {
        let recent = self.keyed.len().min(12);
        (recent > 0).then(|| self.keyed[self.keyed.len() - 1 - usize::from(pick) % recent].clone())
    }

    fn take(&mut self, step: Step) {
        let Some(row) = self.row(step) else {
            return;
        };
        if row == "archive" {
            self.script.run(&row);
            return;
        }
        let written = self.twin.world.written();
        let known = self.keyed.contains(&row);
        let payments = self.script.payments.clone();
        let told = self.run(&row);
        if known {
            assert_eq!(self.twin.world.written(), written, "{row} again: {told}");
            self.twin.payments.clone_from(&payments);
            self.script.payments = payments;
        } else if row.contains(" key=") && !told.contains("overloaded") {
            self.keyed.push(row);
        } else if row.starts_with("wait") || row.starts_with("tick") {
            // Keys may be forgotten by now.
            self.keyed.clear();
        }
    }

    /// In both worlds, which answer alike whatever has left one of them.
    fn run(&mut self, row: &str) -> String {
        let (told, twins) = (self.script.run(row), self.twin.run(row));
        // Keys that have left are not due to be forgotten any more.
        let keys_fell = told.ends_with("fell") || twins.ends_with("fell");
        assert!(told == twins || keys_fell, "{row}: {told}, not {twins}");
        told
    }

    /// The outside world answers everything, staff repeats what is stuck, and all deadlines pass.
    fn settle(&mut self) {
        for _ in 0..8 {
            let open: Vec<_> = self
                .script
                .world
                .state
                .effects
                .values()
                .map(|effect| (effect.payment, effect.state, effect.direction))
                .collect();
            for (payment, state, direction) in open {
                self.script.payments.insert("settling".to_owned(), payment);
                self.twin.payments.insert("settling".to_owned(), payment);
                if state == EffectState::Stuck {
                    self.run("again settling");
                }
                self.run("attempt settling");
                match direction {
                    Direction::Collect if payment.0 % 3 == 0 => self.run("refused settling"),
                    Direction::Collect | Direction::GiveBack { .. } => self.run("done settling"),
                };
            }
            self.run("wait 8d");
            self.script.run("archive");
        }
    }

    fn check_settled(&self) {
        let (left, twin) = (&self.script.world, &self.twin.world.state);
        left.in_memory_or_archived_as(twin);
        let state = twin;
        assert!(state.effects.is_empty(), "{:?}", state.effects);
        assert!(state.repeats.is_empty(), "keys are forgotten");
        assert!(state.enrolments.is_empty());
        for payment in state.payments.values() {
            assert!(is_over(payment), "no verdict: {payment:?}");
        }
        for (account, balance) in state.book.iter() {
            assert_eq!(balance.held, 0, "{account:?}");
            if matches!(
                account.kind(),
                AccountKind::Suspense | AccountKind::Collected
            ) {
                assert_eq!(balance.posted, 0, "{account:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_balance_and_every_payment_gets_its_verdict(
        steps in proptest::collection::vec(any::<Step>(), 1..160)
    ) {
        let mut run = Run::new();
        for step in steps {
            run.take(step);
        }
        run.settle();
        run.check_settled();
    }
}
