//! What happens at tills: taps, their captures, reversals and refunds, soon or long after; ends of shifts; tokens' lives.

use paytone_domain::{
    ids::{MessageKey, StoreId, TerminalId, TerminalKey, TokenHash, TokenId},
    pass::{OpenPass, PassKey, Shown, step_at},
    till::{
        Chip, Did, Earlier, Sale, ScanRequest, ScannedCode, TapRequest, TillAnswer, TillCommand,
        TillRefusal, Total,
    },
    token::NewToken,
};

use super::*;

/// Told apart by their use.
#[derive(Clone, Copy)]
enum Name {
    Message = 1,
    Original = 2,
}

/// A message that paid something, as the edge would find it again.
#[derive(Clone, Copy)]
struct Said {
    terminal: u8,
    original: MessageKey,
    did: Did,
}

/// What the world's terminals and phones know.
#[derive(Default)]
pub struct Counter {
    messages: u64,
    /// Numbers handed out, and how often each was tapped.
    tokens: Vec<(u8, u16)>,
    said: Vec<Said>,
    /// By which phones show codes.
    passes: Vec<PassKey>,
}

fn key(terminal: u8) -> TerminalKey {
    TerminalKey([terminal; 16])
}

impl Scenario {
    pub(super) fn till(&mut self) {
        if self.counter.tokens.is_empty() {
            self.open_stores();
        }
        match self.draw(40) {
            0..16 => self.tap(),
            16..20 => self.scan(),
            20..26 => self.undo(),
            26..30 => self.capture(),
            30..33 => self.give_back(),
            33 => self.close_shift(),
            34 => self.issue(),
            35..38 => self.change_token(),
            38 => self.change_terminal(),
            _ => self.enter_wrong(),
        }
    }

    fn name(&mut self, of: Name) -> MessageKey {
        self.counter.messages += 1;
        let mut name = [of as u8; 16];
        name[8..].copy_from_slice(&self.counter.messages.to_be_bytes());
        MessageKey(name)
    }

    fn terminal(&mut self) -> u8 {
        u8::try_from(1 + self.draw(3)).expect("three of them")
    }

    fn open_stores(&mut self) {
        for number in 1..=3 {
            let store = Operation::AddStore {
                merchant: MerchantId(number),
                acceptor: format!("SHOP{number}"),
                name: sealed(5),
            };
            self.operate(1, store);
            let terminal = Operation::AddTerminal {
                store: StoreId(number),
                key: key(u8::try_from(number).expect("few")),
                code: format!("T{number}"),
                limit: yuan(1_000),
            };
            self.operate(1, terminal);
        }
        for _ in 0..SUBSCRIBERS {
            self.issue();
        }
    }

    fn new_token(&mut self) -> NewToken {
        let number = u8::try_from(self.counter.tokens.len() % 200).expect("below 200");
        self.counter.tokens.push((number, 0));
        NewToken {
            hash: TokenHash([number; 16]),
            number: sealed(6),
            expires: 3_012,
        }
    }

    fn issue(&mut self) {
        if self.counter.tokens.len() >= 150 {
            return;
        }
        let subscriber = 1 + u64::from(self.draw(u32::from(SUBSCRIBERS)));
        let new = self.new_token();
        let subscriber = SubscriberId(subscriber);
        self.operate(1, Operation::IssueToken { subscriber, new });
    }

    fn change_token(&mut self) {
        let count = u32::try_from(self.counter.tokens.len()).expect("few");
        let token = TokenId(1 + u64::from(self.draw(count)));
        let operation = match self.draw(8) {
            0..3 => Operation::SuspendToken(token),
            3..6 => Operation::ResumeToken(token),
            6 if self.counter.tokens.len() < 150 => Operation::ReplaceToken {
                token,
                new: self.new_token(),
            },
            _ => Operation::EndToken(token),
        };
        self.operate(1, operation);
    }

    fn change_terminal(&mut self) {
        let operation = Operation::SetTerminal {
            terminal: TerminalId(self.terminal().into()),
            limit: yuan(1_000 + i64::from(self.draw(100))),
            blocked: self.draw(4) == 0,
        };
        self.operate(1, operation);
    }

    fn tap(&mut self) {
        let count = u32::try_from(self.counter.tokens.len()).expect("few");
        let place = self.draw(count) as usize;
        let skipped = self.draw(30) == 0;
        let (number, taps) = &mut self.counter.tokens[place];
        // Now and then a counter that was used comes again.
        *taps += u16::from(!skipped);
        let (token, counter) = (TokenHash([*number; 16]), *taps);
        let chip = match self.draw(25) {
            0 => Err(TillRefusal::WrongCryptogram),
            _ => Ok(Chip {
                counter,
                verified: self.draw(3) == 0,
            }),
        };
        let (terminal, original) = (self.terminal(), self.name(Name::Original));
        let minor = 100 + i64::from(self.draw(60_000));
        let manual = self.draw(3) == 0;
        let request = TapRequest {
            terminal: key(terminal),
            key: self.name(Name::Message),
            original,
            token,
            expires: Some(3_012),
            chip,
            amount: Amount::clamped(minor),
            capture: match manual {
                true => CaptureMode::Manual,
                false => CaptureMode::Automatic,
            },
            text: sealed(8),
            reference_hash: None,
            wait_seconds: 30,
        };
        let again = self.draw(10) == 0;
        let command = TillCommand::Tap(Box::new(request));
        let answer = self.say(terminal, original, command.clone());
        if again {
            assert_eq!(self.say(terminal, original, command), answer);
        }
    }

    /// A phone shows a code, or somebody makes one up.
    fn scan(&mut self) {
        let devices = u32::try_from(self.state().devices.len()).expect("few");
        let device = DeviceId(1 + u64::from(self.draw(devices)));
        let drawn = PassKey {
            index: 2_800_000_000 + self.next() % 1_000,
            salt: self.next(),
        };
        let open = OpenPass {
            device,
            replace: self.draw(6) == 0,
            drawn,
        };
        let opened = self.decide(Actor::Device(device), Command::OpenPass(open));
        if let Answer::Pass(Ok(pass)) = opened {
            self.counter.passes.push(pass);
        }
        let Some(pass) = self.counter.passes.last().copied() else {
            return;
        };
        let shown = Shown {
            step: step_at(self.core.moment().now),
            counter: u8::try_from(self.draw(3)).expect("below 3"),
        };
        let (terminal, original) = (self.terminal(), self.name(Name::Original));
        let sale = Sale {
            terminal: key(terminal),
            key: self.name(Name::Message),
            original,
            amount: Amount::clamped(100 + i64::from(self.draw(40_000))),
            capture: CaptureMode::Automatic,
            text: sealed(8),
            reference_hash: None,
            wait_seconds: 30,
        };
        let code = ScannedCode {
            index: pass.index,
            shown: (self.draw(6) > 0).then_some((pass.salt, shown)),
        };
        let request = ScanRequest { sale, code };
        self.say(terminal, original, TillCommand::Scan(Box::new(request)));
    }

    /// Asks, looks up what it is told to, and remembers what was paid.
    fn say(&mut self, terminal: u8, original: MessageKey, command: TillCommand) -> TillAnswer {
        let refunds = matches!(command, TillCommand::Refund { .. });
        let named = match &command {
            TillCommand::Undo { original, .. }
            | TillCommand::Capture { original, .. }
            | TillCommand::Refund { original, .. } => Some(*original),
            TillCommand::Tap(_) | TillCommand::Scan(_) | TillCommand::CloseShift { .. } => None,
        };
        let mut answer = self.decide(Actor::Connector, Command::Till(command.clone()));
        if answer == Answer::Till(TillAnswer::LookUp) {
            let mut known = self.counter.said.iter();
            let known = known.find(|said| Some(said.original) == named);
            let found = Earlier::Looked {
                same: None,
                original: known.map(|said| said.did),
            };
            let command = Command::Till(command.knowing(found));
            answer = self.decide(Actor::Connector, command);
        }
        let Answer::Till(answer) = answer else {
            panic!("a till was answered {answer:?}");
        };
        if let TillAnswer::Approved(id) | TillAnswer::Waits(id) = answer {
            let did = if refunds {
                Did::Refund(id)
            } else {
                Did::Pay(id)
            };
            self.counter.said.push(Said {
                terminal,
                original,
                did,
            });
        }
        answer
    }

    fn said(&mut self) -> Option<Said> {
        let count = u32::try_from(self.counter.said.len()).ok()?;
        if count == 0 {
            return None;
        }
        // Mostly one of the last.
        let back = match self.draw(3) {
            0 => self.draw(count),
            _ => self.draw(count.min(5)),
        };
        let place = self.counter.said.len() - 1 - back as usize;
        Some(self.counter.said[place])
    }

    fn undo(&mut self) {
        let Some(said) = self.said() else { return };
        let early = self.draw(10) == 0;
        let command = TillCommand::Undo {
            terminal: key(said.terminal),
            key: self.name(Name::Message),
            original: match early {
                true => self.name(Name::Original),
                false => said.original,
            },
            of_refund: false,
            earlier: Earlier::NotLooked,
            text: sealed(9),
        };
        self.say(said.terminal, said.original, command);
    }

    fn capture(&mut self) {
        let Some(said) = self.said() else { return };
        let own = self.name(Name::Original);
        let command = TillCommand::Capture {
            terminal: key(said.terminal),
            key: self.name(Name::Message),
            own,
            original: said.original,
            earlier: Earlier::NotLooked,
            amount: Amount::clamped(100 + i64::from(self.draw(3_000))),
        };
        self.say(said.terminal, own, command);
    }

    fn give_back(&mut self) {
        let Some(said) = self.said() else { return };
        let own = self.name(Name::Original);
        let command = TillCommand::Refund {
            terminal: key(said.terminal),
            key: self.name(Name::Message),
            own,
            original: said.original,
            earlier: Earlier::NotLooked,
            amount: Amount::clamped(1 + i64::from(self.draw(2_000))),
            text: sealed(9),
        };
        self.say(said.terminal, own, command);
    }

    fn close_shift(&mut self) {
        let (terminal, message) = (self.terminal(), self.name(Name::Message));
        let command = TillCommand::CloseShift {
            terminal: key(terminal),
            key: message,
            purchases: Total::default(),
            reversals: Total::default(),
            refunds: Total::default(),
        };
        self.say(terminal, message, command);
    }

    /// Somebody's terminal that nobody knows.
    fn enter_wrong(&mut self) {
        let command = TillCommand::Undo {
            terminal: key(200),
            key: self.name(Name::Message),
            original: self.name(Name::Original),
            of_refund: false,
            earlier: Earlier::NotLooked,
            text: sealed(9),
        };
        let refused = TillAnswer::Refused(TillRefusal::UnknownTerminal);
        let original = self.name(Name::Original);
        assert_eq!(self.say(200, original, command), refused);
    }
}
