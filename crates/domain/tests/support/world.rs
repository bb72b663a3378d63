//! A state, a moment, and the journal that the state came from.
//!
//! Every event goes through its codec, and the invariants are looked at after every command. The whole journal is replayed
//! when the world ends.

use paytone_domain::{
    Actor, Answer, Command, Decision, Event, State, decide, evolve,
    mandate::MandateCommand,
    payment::PaymentCommand,
    stored::{Chunk, Restoring},
    time::{Calendar, Moment, Timestamp},
};

use super::invariants;

pub struct World {
    pub state: State,
    pub moment: Moment,
    calendar: Calendar,
    journal: Vec<(Moment, Vec<u8>)>,
}

/// Noon of 10 November 2026 in Shanghai.
const START: i64 = 1_794_283_200_000;

impl Default for World {
    fn default() -> Self {
        let mut calendar = Calendar::new("Asia/Shanghai", 0).expect("a zone");
        Self {
            state: State::default(),
            moment: calendar.moment(Timestamp(START)),
            calendar,
            journal: Vec::new(),
        }
    }
}

impl World {
    /// Decides a command and applies what came of it.
    pub fn run(&mut self, actor: Actor, command: Command) -> Answer {
        let Decision { answer, events } = decide(&self.state, &self.moment, actor, command.clone());
        let decided = !events.is_empty();
        for event in events {
            self.apply(event);
        }
        invariants::hold(&self.state);
        if decided {
            invariants::answered_as_it_is(&self.state, &answer);
        }
        if has_key(&command) {
            let again = decide(&self.state, &self.moment, actor, command);
            assert!(again.events.is_empty(), "a retry did {:?}", again.events);
            assert_eq!(again.answer, answer, "a retry is answered alike");
        }
        answer
    }

    fn apply(&mut self, event: Event) {
        let bytes = minicbor::to_vec(&event).expect("an event encodes");
        let read: Event = minicbor::decode(&bytes).expect("an event decodes");
        assert_eq!(read, event, "an event reads back as it was written");
        evolve(&mut self.state, &self.moment, &read);
        self.journal.push((self.moment, bytes));
    }

    /// Time goes on and nothing else happens.
    pub fn pass(&mut self, milliseconds: i64) {
        self.moment = self.calendar.moment(self.moment.now.plus(milliseconds));
    }

    /// Decides what is due, until nothing is. How many decisions that took.
    pub fn tick(&mut self) -> usize {
        let mut ticks = 0;
        while self
            .state
            .deadlines
            .earliest()
            .is_some_and(|at| at <= self.moment.now)
        {
            self.run(Actor::System, Command::Tick);
            ticks += 1;
            assert!(ticks < 10_000, "a deadline falls once");
        }
        ticks
    }

    /// How many events there have been.
    pub fn written(&self) -> usize {
        self.journal.len()
    }

    /// Evolves the journal from nothing: the state must come out the same in every part.
    pub fn replay(&self) {
        let mut again = State::default();
        for (moment, bytes) in &self.journal {
            let event: Event = minicbor::decode(bytes).expect("an event decodes");
            evolve(&mut again, moment, &event);
        }
        assert_eq!(again.book, self.state.book, "replay gives the same books");
        assert!(
            format!("{again:?}") == format!("{:?}", self.state),
            "replay gives the same state"
        );
        self.restore();
    }

    /// Writes the state down and reads it again: nothing of it may be lost, and the same bytes are written the next time.
    fn restore(&self) {
        let chunks = written(&self.state);
        let mut restoring = Restoring::of(chunks.iter().map(|chunk| chunk.len() as u64).sum());
        for chunk in &chunks {
            let chunk = Chunk::read(chunk).expect("a chunk reads back");
            restoring.take(chunk).expect("a chunk fits");
        }
        let again = restoring.finish().expect("a whole state");
        assert_eq!(again.book, self.state.book, "the same books come back");
        assert!(written(&again) == chunks, "the same bytes are written");
        // Maps come back in another order.
        let parts = |state: &State| {
            let shown = format!("{state:#?}");
            let mut parts: Vec<_> = shown.lines().map(str::to_owned).collect();
            parts.sort_unstable();
            parts
        };
        assert!(
            parts(&again) == parts(&self.state),
            "the same state comes back"
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.replay();
        }
    }
}

/// In small chunks, so that sections are cut.
fn written(state: &State) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    let put = |chunk: &[u8]| {
        chunks.push(chunk.to_vec());
        Ok::<(), std::convert::Infallible>(())
    };
    state.write(300, put).expect("memory takes everything");
    chunks
}

fn has_key(command: &Command) -> bool {
    match command {
        Command::Payment(command) => matches!(
            command,
            PaymentCommand::Request(_)
                | PaymentCommand::Cancel { .. }
                | PaymentCommand::Capture { .. }
                | PaymentCommand::Refund { .. }
        ),
        Command::Mandate(command) => matches!(
            command,
            MandateCommand::Request(_) | MandateCommand::End { .. }
        ),
        _ => false,
    }
}
