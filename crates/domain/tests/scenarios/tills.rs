//! Tills: taps, the card's counter, prompts above the tap limit, reversals in every order, captures, shifts, tokens' lives.

use paytone_domain::{
    Actor, Answer, Command,
    ids::{
        MessageKey, PaymentId, StoreId, SubscriberId, TerminalId, TerminalKey, TokenHash, TokenId,
    },
    ledger::Account,
    merchant::PricePlan,
    operator::{Done, Operation, OperatorRefusal},
    payment::{CaptureMode, Status},
    risk::Veto,
    till::{Chip, Did, Earlier, TapRequest, TillAnswer, TillCommand, TillRefusal, Total},
    time::HOUR,
    token::{NewToken, SuspendedBy, TokenStatus},
};

use crate::support::{
    check_in,
    script::{Script, amount, sealed},
};

const TERMINAL: TerminalKey = TerminalKey([7; 16]);
const APPROVED: &str = "approved";

struct Till {
    script: Script,
    counter: u16,
    /// What is found of messages that have left memory.
    earlier: Earlier,
}

const NOTHING: Earlier = Earlier::Looked {
    same: None,
    original: None,
};

fn found(original: Did) -> Earlier {
    Earlier::Looked {
        same: None,
        original: Some(original),
    }
}

fn key(kind: u8, number: u64) -> MessageKey {
    let mut bytes = [kind; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    MessageKey(bytes)
}

fn hash(number: u8) -> TokenHash {
    TokenHash([number; 16])
}

fn new_token(number: u8) -> NewToken {
    NewToken {
        hash: hash(number),
        number: sealed("8888001234567890"),
        expires: 3012,
    }
}

impl Till {
    /// Alice has 1,000.00 and token 1; the shop has a store with one terminal.
    fn open() -> Self {
        let mut script = Script::default();
        check_in(&mut script, "cash alice 100000 | ok");
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
        let subscriber = script.person("alice");
        let issue = Operation::IssueToken {
            subscriber,
            new: new_token(1),
        };
        assert_eq!(script.act(issue), Ok(Done::TokenIssued(TokenId(1))));
        Self {
            script,
            counter: 0,
            earlier: NOTHING,
        }
    }

    fn alice(&self) -> SubscriberId {
        self.script.person("alice")
    }

    fn cash(&self) -> i64 {
        let cash = Account::SubscriberCash(self.alice());
        self.script.world.state.book.available(cash).minor()
    }

    /// A tap that the card has counted.
    fn request(&mut self, message: u64, minor: i64) -> TapRequest {
        self.counter += 1;
        TapRequest {
            terminal: TERMINAL,
            key: key(1, message),
            original: key(2, message),
            token: hash(1),
            expires: None,
            chip: Ok(Chip {
                counter: self.counter,
                verified: false,
            }),
            amount: amount(minor),
            capture: CaptureMode::Automatic,
            text: sealed("at the corner"),
            reference_hash: None,
            wait_seconds: 30,
        }
    }

    fn ask_once(&mut self, command: TillCommand) -> TillAnswer {
        match self
            .script
            .world
            .run(Actor::Connector, Command::Till(command))
        {
            Answer::Till(answer) => answer,
            other => panic!("a till was answered {other:?}"),
        }
    }

    /// Looks up what it is told to, as the edge does.
    fn ask(&mut self, command: TillCommand) -> TillAnswer {
        let answer = self.ask_once(command.clone());
        if answer != TillAnswer::LookUp {
            return answer;
        }
        self.ask_once(command.knowing(self.earlier))
    }

    fn send(&mut self, request: &TapRequest) -> TillAnswer {
        self.ask(TillCommand::Tap(Box::new(request.clone())))
    }

    fn tap(&mut self, message: u64, minor: i64) -> TillAnswer {
        let request = self.request(message, minor);
        self.send(&request)
    }

    fn undo(&mut self, reversal: u64, message: u64) -> TillAnswer {
        self.ask(TillCommand::Undo {
            terminal: TERMINAL,
            key: key(3, reversal),
            original: key(2, message),
            of_refund: false,
            earlier: Earlier::NotLooked,
            text: sealed("reversed"),
        })
    }

    fn status(&self, payment: u64) -> Status {
        self.script.world.payment(PaymentId(payment)).status
    }

    fn token(&self) -> TokenStatus {
        let token = self.script.world.state.tokens.get(TokenId(1));
        token.expect("a token").status
    }
}

fn said(answer: TillAnswer) -> &'static str {
    match answer {
        TillAnswer::Approved(_) => APPROVED,
        TillAnswer::Waits(_) => "waits",
        TillAnswer::Declined(_, veto) => veto.code(),
        TillAnswer::Ended(_, status) => status.name(),
        TillAnswer::Refused(refusal) => refusal.code(),
        TillAnswer::Undone => "undone",
        TillAnswer::Closed { agrees: true } => "agrees",
        TillAnswer::Closed { agrees: false } => "differs",
        TillAnswer::Archived(_) => "archived",
        TillAnswer::LookUp => "to be looked up",
    }
}

#[test]
fn a_tap_is_paid_at_once_and_sent_again_gets_the_first_answer() {
    let mut till = Till::open();
    let request = till.request(1, 1_250);
    assert_eq!(till.send(&request), TillAnswer::Approved(PaymentId(1)));
    assert_eq!(till.cash(), 98_750);
    let written = till.script.world.written();
    assert_eq!(till.send(&request), TillAnswer::Approved(PaymentId(1)));
    assert_eq!(
        till.script.world.written(),
        written,
        "nothing was decided again"
    );
    assert_eq!(till.status(1), Status::Captured);
    till.script.world.replay();
}

#[test]
fn a_counter_is_good_for_one_payment_whatever_terminal_brings_it() {
    let mut till = Till::open();
    let request = till.request(1, 500);
    let copied = TapRequest {
        key: key(1, 2),
        original: key(2, 2),
        ..request.clone()
    };
    assert_eq!(said(till.send(&request)), APPROVED);
    assert_eq!(said(till.send(&copied)), "counter_refused");
    // The same refusal again, although the counter would be refused for another reason by now.
    assert_eq!(said(till.send(&copied)), "counter_refused");
    till.counter = 2_000;
    assert_eq!(said(till.tap(3, 500)), "counter_refused", "too far ahead");
    assert_eq!(till.cash(), 99_500);
    till.script.world.replay();
}

type Change<'a> = &'a dyn Fn(&mut TapRequest);

#[test]
fn what_is_not_a_good_tap_is_refused_by_name_and_said_again() {
    let mut till = Till::open();
    let wrong = |chip| move |request: &mut TapRequest| request.chip = Err(chip);
    let unknown = |request: &mut TapRequest| request.token = hash(9);
    let limit = |request: &mut TapRequest| request.amount = amount(90_001);
    let expired = |request: &mut TapRequest| request.expires = Some(2_612);
    let elsewhere = |request: &mut TapRequest| request.terminal = TerminalKey([9; 16]);
    let changes: [(&str, Change<'_>); 6] = [
        ("wrong_cryptogram", &wrong(TillRefusal::WrongCryptogram)),
        ("not_by_chip", &wrong(TillRefusal::NotByChip)),
        ("unknown_token", &unknown),
        ("terminal_limit", &limit),
        ("token_expired", &expired),
        ("unknown_terminal", &elsewhere),
    ];
    for (message, (refusal, change)) in (1..).zip(changes) {
        let mut request = till.request(message, 500);
        change(&mut request);
        assert_eq!(said(till.send(&request)), refusal);
        assert_eq!(said(till.send(&request)), refusal, "again");
    }
    assert_eq!(till.cash(), 100_000);
    till.script.world.replay();
}

#[test]
fn above_the_tap_limit_the_phone_has_verified_or_is_asked() {
    let mut till = Till::open();
    let limit = till.script.world.state.rules.tap_limit().minor();
    assert_eq!(said(till.tap(1, limit)), APPROVED);
    let mut verified = till.request(2, limit + 1);
    verified.chip = verified.chip.map(|chip| Chip {
        verified: true,
        ..chip
    });
    assert_eq!(said(till.send(&verified)), APPROVED);
    let asking = till.request(3, limit + 1);
    assert_eq!(till.send(&asking), TillAnswer::Waits(PaymentId(3)));
    assert_eq!(till.status(3), Status::AwaitingApproval);
    till.script.payments.insert("p".to_owned(), PaymentId(3));
    check_in(&mut till.script, "refuse p | refused");
    assert_eq!(
        till.send(&asking),
        TillAnswer::Ended(PaymentId(3), Status::Refused)
    );
    let ignored = till.request(4, limit + 1);
    assert_eq!(said(till.send(&ignored)), "waits");
    till.script.world.pass(30_000);
    till.script.world.tick();
    assert_eq!(said(till.send(&ignored)), "expired");
    till.script.world.replay();
}

#[test]
fn vetoes_and_too_little_money_decline_as_they_do_online() {
    let mut till = Till::open();
    check_in(&mut till.script, "rules daily_limit=50000 | version 2");
    assert_eq!(said(till.tap(1, 30_000)), APPROVED);
    let declined = till.tap(2, 20_001);
    assert_eq!(
        declined,
        TillAnswer::Declined(PaymentId(2), Veto::DailyLimit)
    );
    check_in(
        &mut till.script,
        "rules daily_limit=500000 | version 3\nadjust alice -69990 | ok",
    );
    assert_eq!(said(till.tap(3, 20)), "insufficient_funds");
    assert_eq!(said(till.tap(4, 10)), APPROVED);
    till.script.world.replay();
}

#[test]
fn a_reversal_wins_once_whether_it_comes_before_while_or_after() {
    let mut till = Till::open();
    check_in(
        &mut till.script,
        "merchant shop | taken 0, open 0, wrong codes 0",
    );
    let before = till.script.world.state.book.clone();
    // After.
    let paid = till.request(1, 1_000);
    assert_eq!(said(till.send(&paid)), APPROVED);
    for reversal in [1, 1, 2] {
        assert_eq!(said(till.undo(reversal, 1)), "undone");
        assert_eq!(till.cash(), 100_000);
    }
    assert_eq!(said(till.send(&paid)), "undone");
    // Before.
    assert_eq!(said(till.undo(3, 2)), "undone");
    assert_eq!(said(till.tap(2, 1_000)), "undone");
    // While the phone is asked, and while money is held.
    assert_eq!(said(till.tap(3, 40_000)), "waits");
    assert_eq!(said(till.undo(4, 3)), "undone");
    let mut held = till.request(4, 1_000);
    held.capture = CaptureMode::Manual;
    assert_eq!(said(till.send(&held)), APPROVED);
    assert_eq!(till.cash(), 99_000);
    assert_eq!(said(till.undo(5, 4)), "undone");
    // Fees and limits are back as well.
    let posted = |book: &paytone_domain::ledger::Book| {
        let mut all: Vec<_> = book
            .iter()
            .map(|(account, balance)| (account, balance.posted, balance.held))
            .collect();
        all.retain(|(_, posted, held)| (*posted, *held) != (0, 0));
        all.sort_unstable();
        all
    };
    assert_eq!(posted(&till.script.world.state.book), posted(&before));
    check_in(
        &mut till.script,
        "merchant shop | taken 0, open 0, wrong codes 0\nmoney alice | cash 100000",
    );
    till.script.world.replay();
}

#[test]
fn a_reversal_of_what_is_in_the_archive_brings_it_back() {
    let mut till = Till::open();
    assert_eq!(said(till.tap(1, 1_000)), APPROVED);
    till.script.world.pass(10_000);
    assert!(till.script.world.archive() > 0);
    assert_eq!(said(till.undo(1, 1)), "undone");
    assert_eq!(till.cash(), 100_000);
    till.script.world.replay();
}

#[test]
fn an_authorisation_is_captured_by_its_advice_once() {
    let mut till = Till::open();
    let mut held = till.request(1, 5_000);
    held.capture = CaptureMode::Manual;
    assert_eq!(said(till.send(&held)), APPROVED);
    let capture = |till: &mut Till, message: u64, minor| {
        till.ask(TillCommand::Capture {
            terminal: TERMINAL,
            key: key(4, message),
            own: key(5, message),
            original: key(2, 1),
            earlier: Earlier::NotLooked,
            amount: amount(minor),
        })
    };
    assert_eq!(said(capture(&mut till, 2, 5_001)), "more_than_authorized");
    assert_eq!(said(capture(&mut till, 3, 4_000)), APPROVED);
    assert_eq!(said(capture(&mut till, 3, 4_000)), APPROVED, "again");
    assert_eq!(said(capture(&mut till, 4, 4_000)), "wrong_status");
    assert_eq!(till.cash(), 96_000);
    till.script.world.replay();
}

#[test]
fn a_refund_names_its_purchase_gives_back_no_more_and_cannot_be_reversed() {
    let mut till = Till::open();
    assert_eq!(said(till.tap(1, 5_000)), APPROVED);
    let refund = |till: &mut Till, message: u64, original, minor| {
        till.ask(TillCommand::Refund {
            terminal: TERMINAL,
            key: key(7, message),
            own: key(2, message),
            original: key(2, original),
            earlier: Earlier::NotLooked,
            amount: amount(minor),
            text: sealed("brought back"),
        })
    };
    assert_eq!(said(refund(&mut till, 2, 1, 2_000)), APPROVED);
    assert_eq!(said(refund(&mut till, 2, 1, 2_000)), APPROVED, "again");
    assert_eq!(till.cash(), 97_000);
    assert_eq!(said(refund(&mut till, 3, 1, 3_001)), "more_than_authorized");
    assert_eq!(said(refund(&mut till, 4, 9, 100)), "original_not_found");
    assert_eq!(said(till.undo(1, 2)), "wrong_status");
    assert_eq!(till.cash(), 97_000);
    let terminal = till.script.world.state.terminals.get(TerminalId(1));
    let refunds = terminal.expect("a terminal").shift.refunds;
    assert_eq!((refunds.count, refunds.minor), (1, 2_000));
    // The purchase itself can be: the rest goes back.
    assert_eq!(said(till.undo(2, 1)), "undone");
    assert_eq!(till.cash(), 100_000);
    till.script.world.replay();
}

/// Three hours pass: what was said at the till is no longer in memory, the payments are.
fn long_after(till: &mut Till) {
    till.script.world.pass(3 * HOUR);
    till.script.world.tick();
    let left = till.script.world.state.exchanges.len();
    assert_eq!(left, 0, "messages stay for two hours");
}

#[test]
fn what_has_left_memory_is_looked_up_before_it_is_captured_reversed_or_refunded() {
    let mut till = Till::open();
    let mut held = till.request(1, 5_000);
    held.capture = CaptureMode::Manual;
    assert_eq!(said(till.send(&held)), APPROVED);
    assert_eq!(said(till.tap(2, 2_000)), APPROVED);
    assert_eq!(said(till.tap(3, 1_000)), APPROVED);
    long_after(&mut till);
    // Nothing is decided before somebody has looked.
    let undo = |number: u64, message| TillCommand::Undo {
        terminal: TERMINAL,
        key: key(3, number),
        original: key(2, message),
        of_refund: false,
        earlier: Earlier::NotLooked,
        text: sealed("reversed"),
    };
    assert_eq!(till.ask_once(undo(1, 2)), TillAnswer::LookUp);
    assert_eq!(till.cash(), 92_000);
    till.earlier = found(Did::Pay(PaymentId(2)));
    assert_eq!(said(till.undo(1, 2)), "undone");
    assert_eq!(said(till.undo(1, 2)), "undone", "again");
    assert_eq!(said(till.undo(2, 2)), "undone", "by another message");
    assert_eq!(till.cash(), 94_000, "and once");
    let capture = TillCommand::Capture {
        terminal: TERMINAL,
        key: key(4, 1),
        own: key(5, 1),
        original: key(2, 1),
        earlier: found(Did::Pay(PaymentId(1))),
        amount: amount(4_000),
    };
    assert_eq!(said(till.ask(capture)), APPROVED);
    assert_eq!(till.cash(), 95_000);
    let refund = |same| TillCommand::Refund {
        terminal: TERMINAL,
        key: key(7, 1),
        own: key(2, 9),
        original: key(2, 3),
        earlier: Earlier::Looked {
            same,
            original: Some(Did::Pay(PaymentId(3))),
        },
        amount: amount(400),
        text: sealed("brought back"),
    };
    assert_eq!(said(till.ask(refund(None))), APPROVED);
    assert_eq!(till.cash(), 95_400);
    // Its repeat comes when that has left memory as well: found, it is not given a second time.
    long_after(&mut till);
    let same = Some(PaymentId(3));
    assert_eq!(said(till.ask(refund(same))), APPROVED);
    assert_eq!(till.cash(), 95_400);
    // A refund is nobody's purchase, however long ago.
    till.earlier = found(Did::Refund(PaymentId(3)));
    assert_eq!(said(till.undo(5, 9)), "wrong_status");
    assert_eq!(till.cash(), 95_400);
    till.script.world.replay();
}

#[test]
fn a_payment_of_another_terminal_is_not_taken_back_whatever_was_found() {
    let mut till = Till::open();
    assert_eq!(said(till.tap(1, 5_000)), APPROVED);
    let terminal = Operation::AddTerminal {
        store: StoreId(1),
        key: TerminalKey([8; 16]),
        code: "T2".to_owned(),
        limit: amount(90_000),
    };
    assert_eq!(
        till.script.act(terminal),
        Ok(Done::TerminalAdded(TerminalId(2)))
    );
    long_after(&mut till);
    let undo = TillCommand::Undo {
        terminal: TerminalKey([8; 16]),
        key: key(3, 1),
        original: key(2, 1),
        of_refund: false,
        earlier: found(Did::Pay(PaymentId(1))),
        text: sealed("reversed"),
    };
    assert_eq!(said(till.ask(undo)), "undone");
    assert_eq!(till.cash(), 95_000, "nothing of it came by this one");
    till.script.world.replay();
}

#[test]
fn a_shift_is_closed_with_what_the_terminal_counted() {
    let mut till = Till::open();
    assert_eq!(said(till.tap(1, 1_000)), APPROVED);
    assert_eq!(said(till.tap(2, 500)), APPROVED);
    assert_eq!(said(till.undo(1, 2)), "undone");
    let total = |count, minor| Total { count, minor };
    let close = |till: &mut Till, number, reversals| {
        till.ask(TillCommand::CloseShift {
            terminal: TERMINAL,
            key: key(6, number),
            purchases: total(2, 1_500),
            reversals,
            refunds: Total::default(),
        })
    };
    assert_eq!(said(close(&mut till, 1, total(1, 500))), "agrees");
    assert_eq!(said(close(&mut till, 1, total(1, 500))), "agrees", "again");
    assert_eq!(said(close(&mut till, 2, total(1, 500))), "differs");
    let terminal = till.script.world.state.terminals.get(TerminalId(1));
    assert_eq!(terminal.expect("a terminal").shift.number, 2);
    till.script.world.replay();
}

#[test]
fn a_token_is_suspended_by_what_makes_its_phone_doubtful_and_ends_with_its_subscriber() {
    for (what, status) in [
        ("line alice sim=0h | updated", "line_changed"),
        ("block alice | ok", "subscriber_blocked"),
        ("reset alice | ok", "phone_removed"),
        ("erase alice | ok", "subscriber_left"),
    ] {
        let mut till = Till::open();
        till.script.world.pass(1_000);
        check_in(&mut till.script, what);
        assert_eq!(till.token().why(), Some(status), "{what}");
        let refused = said(till.tap(1, 100));
        assert!(
            ["token_suspended", "token_ended"].contains(&refused),
            "{what}: {refused}"
        );
        till.script.world.replay();
    }
}

#[test]
fn staff_suspend_resume_replace_and_end_tokens() {
    let mut till = Till::open();
    let token = TokenId(1);
    let done = Ok(Done::Done);
    assert_eq!(till.script.act(Operation::SuspendToken(token)), done);
    assert_eq!(
        till.script.act(Operation::SuspendToken(token)),
        Ok(Done::Unchanged)
    );
    assert_eq!(said(till.tap(1, 100)), "token_suspended");
    assert_eq!(till.script.act(Operation::ResumeToken(token)), done);
    assert_eq!(said(till.tap(2, 100)), APPROVED);
    let replace = |number| Operation::ReplaceToken {
        token,
        new: new_token(number),
    };
    assert_eq!(
        till.script.act(replace(1)),
        Err(OperatorRefusal::NumberTaken)
    );
    assert_eq!(
        till.script.act(replace(2)),
        Ok(Done::TokenIssued(TokenId(2)))
    );
    assert_eq!(said(till.tap(3, 100)), "token_ended");
    assert_eq!(
        till.script.act(Operation::ResumeToken(token)),
        Err(OperatorRefusal::WrongStatus)
    );
    // What waits for a second person is not got round by a new one.
    assert_eq!(till.script.act(Operation::SuspendToken(TokenId(2))), done);
    let instead = Operation::ReplaceToken {
        token: TokenId(2),
        new: new_token(3),
    };
    assert_eq!(till.script.act(instead), Ok(Done::TokenIssued(TokenId(3))));
    let status = |till: &Till, token| {
        let token = till.script.world.state.tokens.get(token);
        token.map(|token| token.status)
    };
    let waits = Some(TokenStatus::Suspended(SuspendedBy::Operator));
    assert_eq!(status(&till, TokenId(3)), waits);
    assert_eq!(till.script.act(Operation::EndToken(TokenId(3))), done);
    assert_eq!(
        till.script.act(Operation::EndToken(TokenId(3))),
        Ok(Done::Unchanged)
    );
    till.script.world.replay();
}

#[test]
fn messages_are_forgotten_after_a_day() {
    let mut till = Till::open();
    let request = till.request(1, 100);
    assert_eq!(said(till.send(&request)), APPROVED);
    till.script.world.pass(25 * 3_600_000);
    till.script.world.tick();
    assert!(till.script.world.state.exchanges.is_empty());
    assert_eq!(
        said(till.send(&request)),
        "counter_refused",
        "the counter is not"
    );
    till.script.world.replay();
}

#[test]
fn a_reversal_of_the_rest_gives_back_its_share_of_the_fee_that_was_charged_whatever_the_plan_is_by_now()
 {
    let mut till = Till::open();
    let charge = |till: &mut Till, version, fee_basis_points, fee_fixed| {
        let plan = PricePlan {
            version,
            fee_basis_points,
            fee_fixed: amount(fee_fixed),
            tax_basis_points: 600,
        };
        let merchant = till.script.merchant("shop");
        let set = Operation::SetPlan { merchant, plan };
        assert_eq!(till.script.act(set), Ok(Done::Done));
    };
    charge(&mut till, 2, 60, 10);
    assert_eq!(said(till.tap(1, 5_000)), APPROVED);
    let charged = |till: &Till| {
        let payment = till.script.world.payment(PaymentId(1));
        (payment.fee.minor(), payment.tax.minor())
    };
    assert_eq!(charged(&till), (40, 2));
    let refund = till.ask(TillCommand::Refund {
        terminal: TERMINAL,
        key: key(7, 2),
        own: key(2, 2),
        original: key(2, 1),
        earlier: Earlier::NotLooked,
        amount: amount(1_000),
        text: sealed("brought back"),
    });
    assert_eq!(said(refund), APPROVED);
    assert_eq!(charged(&till), (40, 2), "a refund keeps its fee");
    // Much dearer since then.
    charge(&mut till, 3, 2_000, 1_000);
    assert_eq!(said(till.undo(1, 1)), "undone");
    // Four fifths of both, half up.
    assert_eq!(charged(&till), (8, 0));
    assert_eq!(till.cash(), 100_000);
    till.script.world.replay();
}

#[test]
fn a_refund_stands_whether_its_reversal_comes_before_or_after() {
    let mut till = Till::open();
    assert_eq!(said(till.tap(1, 5_000)), APPROVED);
    let refund = |till: &mut Till, message: u64| {
        till.ask(TillCommand::Refund {
            terminal: TERMINAL,
            key: key(7, message),
            own: key(2, message),
            original: key(2, 1),
            earlier: Earlier::NotLooked,
            amount: amount(1_000),
            text: sealed("brought back"),
        })
    };
    let undo = |till: &mut Till, reversal, message| {
        till.ask(TillCommand::Undo {
            terminal: TERMINAL,
            key: key(3, reversal),
            original: key(2, message),
            of_refund: true,
            earlier: Earlier::NotLooked,
            text: sealed("reversed"),
        })
    };
    assert_eq!(said(undo(&mut till, 1, 2)), "wrong_status", "before");
    assert_eq!(said(refund(&mut till, 2)), APPROVED);
    assert_eq!(said(undo(&mut till, 2, 2)), "wrong_status", "after");
    assert_eq!(said(undo(&mut till, 1, 2)), "wrong_status", "again");
    assert_eq!(till.cash(), 96_000);
    // What it names decides: a purchase is undone, whatever the reversal takes it for.
    assert_eq!(said(undo(&mut till, 3, 1)), "undone");
    assert_eq!(till.cash(), 100_000);
    till.script.world.replay();
}
