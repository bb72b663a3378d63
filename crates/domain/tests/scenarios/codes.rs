//! One-time payment codes at tills: once only, in their time, within what an offline phone may spend, and locked by wrong ones.

use paytone_domain::{
    Actor, Answer, Command,
    ids::{DeviceId, MessageKey, PaymentId, StoreId, TerminalId, TerminalKey},
    ledger::Account,
    operator::{Done, Operation},
    pass::{OpenPass, PassKey, PassRefusal, STEP, Shown, TERMINAL_TRIES, TRIES, step_at},
    payment::{CaptureMode, Status},
    risk::Rules,
    till::{Earlier, Sale, ScanRequest, ScannedCode, TillAnswer, TillCommand},
};

use crate::support::{
    check_in,
    script::{Script, amount, sealed},
};

const TERMINAL: TerminalKey = TerminalKey([7; 16]);
const HOUR: i64 = 3_600_000;

struct Till {
    script: Script,
    device: DeviceId,
    pass: PassKey,
    messages: u64,
}

fn key(kind: u8, number: u64) -> MessageKey {
    let mut bytes = [kind; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    MessageKey(bytes)
}

fn drawn(number: u64) -> PassKey {
    PassKey {
        index: 2_800_000_000 + number,
        salt: number * 7,
    }
}

impl Till {
    /// Alice has 5,000.00 and a pass; the shop has a store with one terminal.
    fn open() -> Self {
        let mut script = Script::default();
        check_in(&mut script, "cash alice 500000 | ok");
        let merchant = script.merchant("shop");
        let store = Operation::AddStore {
            merchant,
            acceptor: "SHOP01".to_owned(),
            name: sealed("the corner"),
        };
        assert_eq!(script.act(store), Ok(Done::StoreAdded(StoreId(1))));
        let terminal = Operation::AddTerminal {
            store: StoreId(1),
            key: TERMINAL,
            code: "T1".to_owned(),
            limit: amount(90_000),
        };
        assert_eq!(script.act(terminal), Ok(Done::TerminalAdded(TerminalId(1))));
        let alice = script.person("alice");
        let device = script.device_of(Some(alice));
        let mut till = Self {
            script,
            device,
            pass: drawn(1),
            messages: 0,
        };
        assert_eq!(till.opened(false, 1), Ok(drawn(1)));
        till
    }

    fn opened(&mut self, replace: bool, number: u64) -> Result<PassKey, PassRefusal> {
        let device = self.device;
        let request = OpenPass {
            device,
            replace,
            drawn: drawn(number),
        };
        let command = Command::OpenPass(request);
        match self.script.world.run(Actor::Device(device), command) {
            Answer::Pass(opened) => opened,
            other => panic!("a pass was answered {other:?}"),
        }
    }

    fn step(&self) -> u64 {
        step_at(self.script.world.moment.now)
    }

    /// A right code of the pass.
    fn code(&self, step: u64, counter: u8) -> ScannedCode {
        ScannedCode {
            index: self.pass.index,
            shown: Some((self.pass.salt, Shown { step, counter })),
        }
    }

    fn request(&mut self, code: ScannedCode, minor: i64) -> ScanRequest {
        self.messages += 1;
        let sale = Sale {
            terminal: TERMINAL,
            key: key(1, self.messages),
            original: key(2, self.messages),
            amount: amount(minor),
            capture: CaptureMode::Automatic,
            text: sealed("at the corner"),
            reference_hash: None,
            wait_seconds: 30,
        };
        ScanRequest { sale, code }
    }

    fn ask(&mut self, command: TillCommand) -> TillAnswer {
        let command = Command::Till(command);
        match self.script.world.run(Actor::Connector, command) {
            Answer::Till(answer) => answer,
            other => panic!("a till was answered {other:?}"),
        }
    }

    fn send(&mut self, request: &ScanRequest) -> &'static str {
        said(self.ask(TillCommand::Scan(Box::new(request.clone()))))
    }

    fn scan(&mut self, code: ScannedCode, minor: i64) -> &'static str {
        let request = self.request(code, minor);
        self.send(&request)
    }

    /// The code of now, the `counter`th of it.
    fn scan_now(&mut self, counter: u8, minor: i64) -> &'static str {
        self.scan(self.code(self.step(), counter), minor)
    }

    fn wrong(&mut self) -> &'static str {
        let code = ScannedCode {
            index: self.pass.index,
            shown: None,
        };
        self.scan(code, 100)
    }

    fn cash(&self) -> i64 {
        let cash = Account::SubscriberCash(self.script.person("alice"));
        self.script.world.state.book.available(cash).minor()
    }

    fn stands(&self) -> bool {
        self.script.world.state.passes.get(self.device).is_some()
    }
}

fn said(answer: TillAnswer) -> &'static str {
    match answer {
        TillAnswer::Approved(_) => "approved",
        TillAnswer::Waits(_) => "waits",
        TillAnswer::Declined(_, veto) => veto.code(),
        TillAnswer::Ended(_, status) => status.name(),
        TillAnswer::Refused(refusal) => refusal.code(),
        TillAnswer::Undone => "undone",
        TillAnswer::Closed { .. } => "closed",
        TillAnswer::Archived(_) => "archived",
        TillAnswer::LookUp => "look_up",
    }
}

#[test]
fn a_code_pays_once_whatever_message_brings_it_and_the_same_message_gets_its_first_answer() {
    let mut till = Till::open();
    let first = till.request(till.code(till.step(), 0), 1_250);
    assert_eq!(till.send(&first), "approved");
    let written = till.script.world.written();
    assert_eq!(till.send(&first), "approved", "again");
    assert_eq!(
        till.script.world.written(),
        written,
        "nothing was decided again"
    );
    assert_eq!(till.scan_now(0, 1_250), "code_used");
    assert_eq!(till.scan_now(1, 1_250), "approved", "the next of this step");
    assert_eq!(till.cash(), 497_500);
    assert_eq!(
        till.script.world.payment(PaymentId(1)).status,
        Status::Captured
    );
    let undo = TillCommand::Undo {
        terminal: TERMINAL,
        key: key(3, 1),
        original: first.sale.original,
        earlier: Earlier::NotLooked,
        of_refund: false,
        text: sealed("reversed"),
    };
    assert_eq!(said(till.ask(undo)), "undone");
    assert_eq!(till.cash(), 498_750);
    assert_eq!(till.send(&first), "undone");
    assert_eq!(
        till.scan_now(0, 1_250),
        "code_used",
        "a reversal leaves it used"
    );
    till.script.world.replay();
}

#[test]
fn a_code_is_good_in_its_time_only_and_what_was_too_old_never_becomes_good_again() {
    let mut till = Till::open();
    let behind = u64::from(Rules::CODE_SECONDS) / 30;
    let now = till.step();
    assert_eq!(
        till.scan(till.code(now - behind - 1, 0), 100),
        "code_expired"
    );
    assert_eq!(till.scan(till.code(now - behind, 0), 100), "approved");
    assert_eq!(till.scan(till.code(now + 2, 0), 100), "approved");
    assert_eq!(till.scan(till.code(now + 3, 0), 100), "code_expired");
    // However long codes are good from now on: this one was too old when another one was taken.
    let mut rules = till.script.world.state.rules.clone();
    rules.code_seconds = Some(1_200);
    let set = till.script.act(Operation::SetRules(Box::new(rules)));
    assert!(set.is_ok(), "{set:?}");
    assert_eq!(till.scan(till.code(now - behind, 0), 100), "code_used");
    assert_eq!(
        till.scan(till.code(now - behind - 1, 0), 100),
        "code_expired"
    );
    till.script.world.pass(10 * STEP);
    assert_eq!(till.scan(till.code(now, 0), 100), "approved");
    till.script.world.replay();
}

#[test]
fn above_the_limits_the_phone_is_asked_and_being_online_makes_room_again() {
    let mut till = Till::open();
    let limit = Rules::CODE_LIMIT.minor();
    assert_eq!(till.scan_now(0, limit + 1), "waits");
    assert_eq!(till.scan_now(1, limit), "approved");
    assert_eq!(till.scan_now(2, limit), "approved");
    assert_eq!(till.scan_now(3, limit), "approved");
    // 900.00 of 1,000.00 are spent without the phone having been seen.
    assert_eq!(till.scan_now(4, 10_001), "waits");
    assert_eq!(till.scan_now(5, 10_000), "approved");
    assert_eq!(till.scan_now(6, 1), "waits");
    assert_eq!(till.opened(false, 9), Ok(drawn(1)), "the same pass");
    assert_eq!(till.scan_now(7, 1), "approved");
    till.script.world.replay();
}

#[test]
fn an_offline_phones_codes_end_after_a_day_and_go_on_when_it_is_seen() {
    let mut till = Till::open();
    let hours = i64::from(Rules::CODE_OFFLINE_HOURS);
    till.script.world.pass(hours * HOUR - 1);
    assert_eq!(till.scan_now(0, 100), "approved");
    till.script.world.pass(1);
    assert_eq!(till.scan_now(1, 100), "phone_not_seen");
    assert_eq!(till.opened(false, 9), Ok(drawn(1)));
    assert_eq!(till.scan_now(1, 100), "approved");
    till.script.world.replay();
}

#[test]
fn wrong_codes_end_the_pass_and_lock_the_terminal_for_an_hour() {
    let mut till = Till::open();
    for _ in 1..TRIES {
        assert_eq!(till.wrong(), "wrong_code");
    }
    // A right one shows that it is its owner's.
    assert_eq!(till.scan_now(0, 100), "approved");
    for _ in 1..TRIES {
        assert_eq!(till.wrong(), "wrong_code");
    }
    assert!(till.stands());
    assert_eq!(till.wrong(), "wrong_code");
    assert!(!till.stands(), "five in a row");
    assert_eq!(till.scan_now(1, 100), "wrong_code", "told as nobody's");
    assert_eq!(usize::from(TERMINAL_TRIES), 2 * usize::from(TRIES));
    assert_eq!(till.opened(false, 2), Ok(drawn(2)));
    till.pass = drawn(2);
    assert_eq!(till.scan_now(0, 100), "too_many_wrong_codes");
    till.script.world.pass(HOUR);
    assert_eq!(till.scan_now(0, 100), "approved");
    assert_eq!(till.cash(), 499_800);
    till.script.world.replay();
}

#[test]
fn a_pass_is_replaced_on_request_and_its_codes_with_it() {
    let mut till = Till::open();
    assert_eq!(till.opened(true, 1), Err(PassRefusal::IndexTaken));
    assert_eq!(till.opened(true, 2), Ok(drawn(2)));
    assert_eq!(till.scan_now(0, 100), "wrong_code");
    // The index again, drawn with another salt, has other codes.
    let command = Command::OpenPass(OpenPass {
        device: till.device,
        replace: true,
        drawn: PassKey {
            salt: 99,
            ..drawn(1)
        },
    });
    till.script.world.run(Actor::Device(till.device), command);
    assert_eq!(till.scan_now(0, 100), "wrong_code");
    assert_eq!(till.cash(), 500_000);
    till.script.world.replay();
}

#[test]
fn a_pass_ends_with_what_makes_its_phone_doubtful() {
    for (what, again) in [
        ("line alice sim=0h | updated", Ok(drawn(2))),
        ("block alice | ok", Err(PassRefusal::DeviceNotActive)),
        ("reset alice | ok", Err(PassRefusal::DeviceNotActive)),
        ("erase alice | ok", Err(PassRefusal::DeviceNotActive)),
    ] {
        let mut till = Till::open();
        till.script.world.pass(1_000);
        check_in(&mut till.script, what);
        assert!(!till.stands(), "{what}");
        assert_eq!(till.scan_now(0, 100), "wrong_code", "{what}");
        assert_eq!(till.opened(false, 2), again, "{what}");
        till.script.world.replay();
    }
}

#[test]
fn vetoes_decline_a_code_as_they_do_a_tap_and_it_is_used_up() {
    let mut till = Till::open();
    check_in(&mut till.script, "rules daily_limit=5000 | version 2");
    assert_eq!(till.scan_now(0, 5_001), "daily_limit");
    assert_eq!(till.scan_now(0, 100), "code_used");
    assert_eq!(till.scan_now(1, 90_001), "terminal_limit");
    assert_eq!(till.scan_now(2, 5_000), "approved");
    till.script.world.replay();
}
