//! One node: its stores, its engine, and what every edge holds of them.

use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use paytone_connectors::prompt::{CodeChannel, channel};
use paytone_domain::{
    Actor, Answer, Command, Event,
    archive::Gone,
    ids::{ClientKeyId, DeviceId, KeyringFingerprint, MandateId, MerchantId, PaymentId},
    mandate::MandateEvent,
    money::Currency,
    payment::PaymentEvent,
};
use paytone_engine::{Answered, Durable, Engine, EngineError, Standing, StopReason};
use paytone_journal::{Keyring, PublicIds, SubjectKeys};
use tokio::sync::{broadcast::error::RecvError, oneshot};
use tracing::Instrument as _;

use crate::{
    admin::SignIns,
    api::phone::news::{self, News},
    archive::{
        self, Archive, RebuildError, RecallError,
        keys::{Before, Keys},
        known::LookError,
    },
    cluster::{Cluster, ClusterError, erasures},
    config::{Config, Limits},
    edge::{
        self,
        directory::Directory,
        fair_share::{FairShare, Most},
        under_way::UnderWay,
        waiters::Waiters,
    },
    http::request,
    import::Imports,
    metrics::{self, Metrics},
    past::LookBacks,
    pos::{IssuerKeys, KeyFileError, Tills},
    snapshots::{self, SnapshotLog},
    start_up::{Doing, StartUp, Step},
    stores::Stores,
    telemetry::traces,
    views::{FollowError, Views, follow},
    webhooks::{Webhooks, WebhooksError},
};

/// How often a command is asked again while what it needs leaves memory.
const TRIES: usize = 4;

/// What every edge holds.
pub struct Node {
    pub config: Config,
    pub engine: Engine,
    /// The others, if this node is one of several.
    pub cluster: Option<Arc<Cluster>>,
    pub keyring: Keyring,
    pub ids: PublicIds,
    pub subjects: SubjectKeys,
    pub directory: Arc<Directory>,
    pub waiters: Arc<Hub>,
    /// Phones that listen.
    pub news: Arc<News>,
    pub views: Views,
    pub archive: Archive,
    /// Idempotency keys that have left memory.
    pub keys: Keys,
    pub webhooks: Webhooks,
    pub tills: Tills,
    /// Merchants' requests under way.
    pub under_way: UnderWay,
    /// What one client or phone may have under way.
    pub shares: Shares,
    pub metrics: Arc<Metrics>,
    pub code_channel: Option<Box<dyn CodeChannel>>,
    /// Operators' sign-ins under way.
    pub sign_ins: Arc<SignIns>,
    /// How the start went, and the snapshots since.
    pub snapshots: Arc<SnapshotLog>,
    /// Files on their way in.
    pub imports: Imports,
    pub look_backs: LookBacks,
    /// Held while the journal is trimmed.
    pub trimming: tokio::sync::Mutex<()>,
    /// Whether this is the demo, which shows codes on the page and opens without a real SMS channel.
    pub demo: bool,
    requests: AtomicU64,
    /// Makes numbers of requests that say nothing of how many there were.
    numbering: RandomState,
}

/// What one may have under way at once.
pub struct Shares {
    pub clients: Arc<FairShare<(MerchantId, ClientKeyId)>>,
    pub devices: Arc<FairShare<DeviceId>>,
}

impl Shares {
    fn of(limits: &Limits) -> Self {
        let clients = Most {
            in_flight: limits.per_client_in_flight,
            waiting: limits.per_client_waiting,
        };
        let devices = Most {
            in_flight: limits.per_device_in_flight,
            waiting: limits.per_device_in_flight,
        };
        Self {
            clients: Arc::new(FairShare::new(clients)),
            devices: Arc::new(FairShare::new(devices)),
        }
    }
}

/// Who waits for what.
#[derive(Default)]
pub struct Hub {
    pub payments: Arc<Waiters<PaymentId>>,
    pub mandates: Arc<Waiters<MandateId>>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot make {path}: {why}")]
    Folder { path: PathBuf, why: String },
    #[error(transparent)]
    Store(#[from] paytone_journal::OpenError),
    #[error(transparent)]
    Keyring(#[from] paytone_journal::keyring::KeyringError),
    #[error("the keyring does not fit this journal: it belongs to another one")]
    WrongKeyring,
    #[error(transparent)]
    Views(#[from] FollowError),
    #[error(transparent)]
    Replay(#[from] paytone_engine::ReplayError),
    #[error("setting {setting}: {why}")]
    Setting { setting: &'static str, why: String },
    #[error("the issuer's keys: {0}")]
    IssuerKeys(#[from] KeyFileError),
    #[error(transparent)]
    Webhooks(#[from] WebhooksError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Archive(#[from] RebuildError),
    #[error("the engine does not start: {0}")]
    Engine(String),
}

/// A node that runs; `stopped` tells why it ended.
pub struct Started {
    pub node: Arc<Node>,
    pub stopped: oneshot::Receiver<StopReason>,
    running: std::thread::JoinHandle<Option<paytone_engine::Core>>,
    following: std::thread::JoinHandle<()>,
}

impl Started {
    /// Makes durable what was decided, closes the journal and lets the views catch up.
    pub fn stop(self) {
        self.node.engine.stop();
        drop(self.running.join());
        // It ends with the engine, once the views show all of the journal.
        drop(self.following.join());
    }
}

impl Node {
    /// Opens the stores, replays the journal and starts the engine.
    pub async fn start(config: Config, demo: bool) -> Result<Started, StartError> {
        Self::start_shown(config, demo, &StartUp::default()).await
    }

    /// The same, telling how far it has got.
    pub async fn start_shown(
        config: Config,
        demo: bool,
        start_up: &StartUp,
    ) -> Result<Started, StartError> {
        std::fs::create_dir_all(&config.data).map_err(|error| StartError::Folder {
            path: config.data.clone(),
            why: error.to_string(),
        })?;
        if config.snapshot.keep < 2 {
            return Err(StartError::Setting {
                setting: "snapshot.keep",
                why: "two at least".to_owned(),
            });
        }
        // Beside the start: the first request with a number would wait for it.
        drop(std::thread::spawn(edge::number::read_plans));
        crate::memory::reserve(config.limits.reserve_mib);
        let code_channel = code_channel(&config, demo)?;
        let keyring = Keyring::load(&config.keyring)?;
        let tills = Tills {
            keys: IssuerKeys::load(&config.till.key_file, &keyring)?,
            ..Tills::default()
        };
        let stores = Stores::of(&config)?;
        let cluster = Cluster::open(&config)?;
        let journal = stores.journal().await?;
        let mut reader = stores.journal_reader().await?;
        let snapshots = snapshots::open(&stores).await;
        let begun = Instant::now();
        let seen = |progress| start_up.restarts(progress);
        let restart = paytone_engine::restart(&mut reader, snapshots.as_ref(), seen).await?;
        let start = snapshots::Start::of(&restart, begun.elapsed());
        let snapshot_log = Arc::new(SnapshotLog::new(start));
        let core = restart.core;
        let fingerprint = KeyringFingerprint(keyring.fingerprint());
        let begins = match &core.state().settings {
            Some(settings) if settings.keyring != fingerprint => {
                return Err(StartError::WrongKeyring);
            }
            Some(_) => false,
            None => true,
        };
        // What the state has let go must be there before anybody asks for it.
        let archived = |done, of| {
            start_up.at(Step {
                doing: Doing::MakingArchive,
                done,
                of,
            })
        };
        archive::catch_up(&stores, core.state(), archived).await?;
        start_up.counted();
        let left_before = core.state().repeats.left_before();
        let subjects = stores.subject_keys(&keyring).await?;
        let directory = Arc::new(Directory::of(core.state()));
        let observed = Arc::clone(&directory);
        let open_payments = metrics::open_payments(core.state());
        let options = paytone_engine::Options {
            queue: config.limits.queue,
            ..paytone_engine::Options::default()
        };
        let observe = move |durable: &Durable| observed.observe(durable);
        let running = match &cluster {
            None => paytone_engine::start(core, journal, options, random, observe),
            Some(cluster) => {
                let member = cluster.member(snapshots);
                paytone_engine::join(core, journal, reader, member, options, random, observe)
            }
        };
        let running = running.map_err(|error| StartError::Engine(error.to_string()))?;
        let engine = running.engine.clone();
        let counted = engine.follow();
        if begins {
            start_up.begins(Doing::WaitingForFirstRow);
            begin(&engine, &config, fingerprint).await?;
        }
        let waiters = Arc::new(Hub::default());
        tokio::spawn(Arc::clone(&waiters).follow(engine.clone()));
        let ids = keyring.public_ids().clone();
        start_up.begins(Doing::OpeningViews);
        let (views, following) = follow::start(stores.clone(), ids.clone(), engine.position())
            .await?
            .into_parts();
        let durable = *engine.position().borrow();
        let webhooks = Webhooks::open(&stores.deliveries(), &config.webhooks, durable).await?;
        let archive = Archive::of(&stores.archive());
        let news = Arc::new(News::new(config.limits.streams));
        let shares = Shares::of(&config.limits);
        let metrics = Arc::new(Metrics::default());
        let node = Arc::new(Self {
            config,
            engine,
            cluster,
            keyring,
            ids,
            subjects,
            directory,
            waiters,
            news,
            views,
            archive,
            keys: Keys::behind(left_before),
            webhooks,
            tills,
            under_way: UnderWay::default(),
            shares,
            metrics: Arc::clone(&metrics),
            code_channel,
            sign_ins: Arc::default(),
            snapshots: snapshot_log,
            imports: Imports::default(),
            look_backs: LookBacks::default(),
            trimming: tokio::sync::Mutex::default(),
            demo,
            requests: AtomicU64::new(1),
            numbering: RandomState::new(),
        });
        if node.cluster.is_some() {
            let durable = node.engine.follow();
            tokio::spawn(erasures::follow(Arc::downgrade(&node), durable));
        }
        tokio::spawn(metrics::follow(
            metrics,
            open_payments,
            counted,
            node.views.positions(),
        ));
        tokio::spawn(news::follow(Arc::downgrade(&node), node.engine.follow()));
        let (stopped, running) = running.into_parts();
        Ok(Started {
            node,
            stopped,
            running,
            following,
        })
    }

    /// A number for one request, which its log lines and its batch item carry.
    pub fn next_request(&self) -> u64 {
        u64::from(request::number().unwrap_or_else(|| self.new_request()))
    }

    /// A number of a new request. In order they are no order: an answer may name its own.
    pub fn new_request(&self) -> u32 {
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        let bytes = self.numbering.hash_one(count).to_be_bytes();
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    pub fn currency(&self) -> Currency {
        self.directory.currency()
    }

    /// Asks the engine for one decision. A merchant's idempotency key is looked for among those that have left memory first,
    /// and what has left and is asked of is brought back.
    pub async fn submit(
        &self,
        actor: Actor,
        command: Command,
    ) -> Result<Answered<Answer>, EngineError> {
        let request = self.next_request();
        let mut command = command;
        for tried in 0..TRIES {
            if let Some(repeat) = command.repeat() {
                match self.looked_for(*repeat).await {
                    Ok(Before::Answered(answered)) => return Ok(answered),
                    Ok(Before::New(checked)) => command.say_checked(checked),
                    Err(LookError::Engine(error)) => return Err(error),
                    Err(LookError::Archive(error)) => {
                        tracing::error!(%error, "nothing is decided under a key that cannot be looked up");
                        return Err(EngineError::Overloaded);
                    }
                }
            }
            let again = matches!(
                command,
                Command::Payment(_) | Command::Mandate(_) | Command::Till(_)
            );
            let again = again.then(|| command.clone());
            let answered = self
                .engine
                .submit(actor, request, command)
                .instrument(traces::of_decision())
                .await?;
            let (Some(gone), Some(asked)) = (answered.answer.gone(), again) else {
                return Ok(answered);
            };
            command = asked;
            if gone == Gone::Keys {
                // They left between the look and the decision; or this node knows nothing of it, as another one led.
                if tried > 0 {
                    self.keys.lag();
                }
                continue;
            }
            match self.recall(gone).await {
                Ok(()) => {}
                Err(RecallError::Engine(error)) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "something old cannot be recalled");
                    return Ok(answered);
                }
            }
        }
        Err(EngineError::Overloaded)
    }
}

fn code_channel(config: &Config, demo: bool) -> Result<Option<Box<dyn CodeChannel>>, StartError> {
    let setting = "code_channels";
    let mut why = String::new();
    for name in &config.code_channels {
        match channel(name, demo) {
            Ok(channel) => return Ok(Some(channel)),
            Err(error) => {
                let _ = write!(why, "{error}; ");
            }
        }
    }
    if why.is_empty() {
        Ok(None)
    } else {
        Err(StartError::Setting { setting, why })
    }
}

async fn begin(
    engine: &Engine,
    config: &Config,
    keyring: KeyringFingerprint,
) -> Result<(), StartError> {
    let begin = &config.begin;
    let currency = Currency::new(&begin.currency, begin.currency_digits).ok_or_else(|| {
        StartError::Setting {
            setting: "begin.currency",
            why: "an ISO 4217 code of three capitals with at most four minor digits".to_owned(),
        }
    })?;
    if paytone_domain::time::Calendar::new(&begin.zone, begin.cut_off_minutes).is_none() {
        return Err(StartError::Setting {
            setting: "begin.zone",
            why: format!(
                "{} is not an IANA time zone, or the cut-off is not within a day",
                begin.zone
            ),
        });
    }
    let command = Command::Initialize {
        currency,
        zone: begin.zone.clone(),
        cut_off_minutes: begin.cut_off_minutes,
        keyring,
    };
    // Of several nodes one begins: whoever leads. All see what became of it.
    let (mut standing, mut position) = (engine.standing(), engine.position());
    let failed = |error: EngineError| StartError::Engine(error.to_string());
    loop {
        if *standing.borrow_and_update() == Standing::Leads {
            let answered = engine.submit(Actor::Console, 0, command.clone()).await;
            match answered {
                Ok(_) | Err(EngineError::NotLeading) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        position.mark_unchanged();
        let settings = engine.read(|state, _| state.settings.clone());
        match settings.await.map_err(failed)?.answer {
            Some(settings) if settings.keyring == keyring => return Ok(()),
            Some(_) => return Err(StartError::WrongKeyring),
            None => {}
        }
        let changed = async {
            tokio::select! {
                changed = standing.changed() => changed.is_ok(),
                changed = position.changed() => changed.is_ok(),
            }
        };
        if !changed.await {
            return Err(failed(EngineError::Stopped));
        }
    }
}

/// 16 random bytes.
pub fn random() -> [u8; 16] {
    paytone_journal::random()
}

impl Hub {
    /// Wakes those who wait, batch after batch.
    async fn follow(self: Arc<Self>, engine: Engine) {
        let mut durable = engine.follow();
        loop {
            match durable.recv().await {
                Ok(batch) => {
                    for event in batch.batch.items.iter().flat_map(|item| &item.events) {
                        self.wake(event);
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    self.payments.wake_all();
                    self.mandates.wake_all();
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn wake(&self, event: &Event) {
        match event {
            Event::Payment(event) => self.payments.wake(match event {
                PaymentEvent::Requested { id, .. }
                | PaymentEvent::Approved { id, .. }
                | PaymentEvent::Authorized { id, .. }
                | PaymentEvent::Captured { id, .. }
                | PaymentEvent::Ended { id, .. }
                | PaymentEvent::Vetoed { id, .. }
                | PaymentEvent::Refunded { id, .. } => *id,
            }),
            Event::Mandate(event) => self.mandates.wake(match event {
                MandateEvent::Requested { id, .. }
                | MandateEvent::Approved { id, .. }
                | MandateEvent::Refused { id, .. }
                | MandateEvent::Expired { id }
                | MandateEvent::Suspended { id }
                | MandateEvent::Resumed { id, .. }
                | MandateEvent::Ended { id, .. }
                | MandateEvent::Cancelled { id, .. }
                | MandateEvent::Vetoed { id, .. } => *id,
            }),
            _ => {}
        }
    }
}
