//! Links: where acquirers and terminals connect, what they speak, whose terminals may.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use paytone_wire::{
    iso8583::{
        Framing, dialects,
        frame::{Header, LengthHeader},
    },
    till,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{connection, keys::IssuerKeys, terminals::Seen};
use crate::{
    config,
    edge::fair_share::{FairShare, Most},
    metrics::tills,
    node::Node,
};

/// What all links of a node share.
#[derive(Default)]
pub struct Tills {
    pub keys: IssuerKeys,
    pub seen: Seen,
}

/// Why a link does not open.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("link {link}: {setting}: {why}")]
    Setting {
        link: String,
        setting: &'static str,
        why: String,
    },
    #[error("link {link}: cannot listen on {place}: {why}")]
    Listen {
        link: String,
        place: SocketAddr,
        why: std::io::Error,
    },
}

/// One link, as its connections need it.
pub struct Open {
    pub name: String,
    pub speaks: Arc<till::Link>,
    /// ISO 4217 number.
    pub currency: String,
    pub answer_seconds: u32,
    pub idle: Duration,
    pub in_flight: usize,
    acceptors: Vec<String>,
    pub counts: Arc<tills::Link>,
}

impl Open {
    /// Whether terminals of this card acceptor may use the link.
    pub fn lets_in(&self, acceptor: &str) -> bool {
        self.acceptors.is_empty() || self.acceptors.iter().any(|known| known == acceptor)
    }
}

/// The links of a running node.
pub struct Links {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Where each listens.
    pub addresses: Vec<(String, SocketAddr)>,
    /// Of each link, so that one that is flooded leaves the others theirs.
    slots: Vec<Arc<Semaphore>>,
    most: u32,
}

/// What one link lets in.
struct Doors {
    slots: Arc<Semaphore>,
    /// One address may have so many, so that the others have theirs.
    shares: Arc<FairShare<IpAddr>>,
    tls: Option<TlsAcceptor>,
}

impl Links {
    pub async fn open(node: &Arc<Node>) -> Result<Self, LinkError> {
        let settings = &node.config.till;
        let (stop, stopping) = watch::channel(false);
        let most = u32::try_from(settings.connections).unwrap_or(u32::MAX >> 4);
        let most_of_address = u32::try_from(settings.connections_per_address);
        let most_of_address = most_of_address.unwrap_or(u32::MAX);
        let mut links = Self {
            stop,
            tasks: Vec::new(),
            addresses: Vec::new(),
            slots: Vec::new(),
            most,
        };
        for link in &settings.links {
            let counts = node.metrics.tills.link(&link.name);
            let open = Arc::new(opened(link, settings, counts)?);
            let doors = Doors {
                slots: Arc::new(Semaphore::new(most as usize)),
                shares: Arc::new(FairShare::new(Most {
                    in_flight: most_of_address,
                    waiting: 0,
                })),
                tls: acceptor(link)?,
            };
            let listen = |why| LinkError::Listen {
                link: link.name.clone(),
                place: link.listen,
                why,
            };
            let listener = TcpListener::bind(link.listen).await.map_err(listen)?;
            let address = listener.local_addr().map_err(listen)?;
            links.addresses.push((link.name.clone(), address));
            links.slots.push(Arc::clone(&doors.slots));
            links.tasks.push(tokio::spawn(accept(
                Arc::clone(node),
                listener,
                open,
                doors,
                stopping.clone(),
            )));
        }
        Ok(links)
    }

    /// Takes nothing more and lets what is under way be answered, no longer than `patience`.
    pub async fn stop(self, patience: Duration) {
        self.close();
        let gone = async {
            for slots in &self.slots {
                drop(slots.acquire_many(self.most).await);
            }
        };
        let _ = tokio::time::timeout(patience, gone).await;
    }

    fn close(&self) {
        self.stop.send_replace(true);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Links {
    /// Of a node that could not start after all, nobody is let in any more.
    fn drop(&mut self) {
        self.close();
    }
}

async fn accept(
    node: Arc<Node>,
    listener: TcpListener,
    open: Arc<Open>,
    doors: Doors,
    stopping: watch::Receiver<bool>,
) {
    loop {
        let (stream, from) = match listener.accept().await {
            Ok((stream, from)) => (stream, from.ip()),
            Err(error) => {
                tracing::warn!(%error, link = %open.name, "a till's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Beyond the limit a newcomer is sent away at once: those that are here go on as if nobody had come.
        let slot = Arc::clone(&doors.slots).try_acquire_owned().ok();
        let Some((slot, turn)) = slot.zip(doors.shares.begin(from)) else {
            open.counts.sent_away();
            tracing::warn!(link = %open.name, "too many connections of tills");
            continue;
        };
        let connected = open.counts.connected();
        let (node, open, tls) = (Arc::clone(&node), Arc::clone(&open), doors.tls.clone());
        let stopping = stopping.clone();
        tokio::spawn(async move {
            connection::serve(node, open, stream, tls, stopping).await;
            drop((slot, turn, connected));
        });
    }
}

fn opened(
    link: &config::TillLink,
    settings: &config::Till,
    counts: Arc<tills::Link>,
) -> Result<Open, LinkError> {
    let wrong = |setting, why: String| LinkError::Setting {
        link: link.name.clone(),
        setting,
        why,
    };
    let dialect = dialects::named(&link.dialect).ok_or_else(|| {
        let known: Vec<_> = dialects::ALL.iter().map(|one| &*one.name).collect();
        wrong("dialect", format!("known are {}", known.join(", ")))
    })?;
    let length = match link.length.as_str() {
        "two" => LengthHeader::Two,
        "two-lower-first" => LengthHeader::TwoLowerFirst,
        "four" => LengthHeader::Four,
        "four-digits" => LengthHeader::FourDigits,
        "packed" => LengthHeader::Packed,
        _ => {
            let why = "known are two, two-lower-first, four, four-digits, packed";
            return Err(wrong("length", why.to_owned()));
        }
    };
    let header = match link.header.as_str() {
        "" => Header::None,
        "tpdu" => Header::Tpdu,
        bytes => match bytes.parse() {
            Ok(bytes) => Header::Opaque(bytes),
            Err(_) => {
                let why = "empty, \"tpdu\", or a number of bytes";
                return Err(wrong("header", why.to_owned()));
            }
        },
    };
    let framing = Framing {
        length,
        counts_itself: link.length_counts_itself,
        header,
        ..Framing::default()
    };
    let mut speaks =
        till::Link::new(dialect, framing).map_err(|error| wrong("dialect", error.to_string()))?;
    speaks.profile.sign_on_first = link.sign_on_first;
    if link.answer_seconds < 5 {
        return Err(wrong("answer_seconds", "five at least".to_owned()));
    }
    Ok(Open {
        name: link.name.clone(),
        speaks: Arc::new(speaks),
        currency: settings.currency_number.clone(),
        answer_seconds: link.answer_seconds,
        idle: Duration::from_secs(settings.idle_seconds.max(1)),
        in_flight: settings.in_flight.max(1),
        acceptors: link.acceptors.clone(),
        counts,
    })
}

/// TLS where a certificate is named; clients prove themselves where an authority is.
fn acceptor(link: &config::TillLink) -> Result<Option<TlsAcceptor>, LinkError> {
    if link.certificate.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |setting, why: &dyn std::fmt::Display| LinkError::Setting {
        link: link.name.clone(),
        setting,
        why: why.to_string(),
    };
    let certificates = |path: &Path| {
        let found = CertificateDer::pem_file_iter(path);
        found.and_then(Iterator::collect::<Result<Vec<_>, _>>)
    };
    let chain = certificates(&link.certificate).map_err(|error| wrong("certificate", &error))?;
    let key = PrivateKeyDer::from_pem_file(&link.key).map_err(|error| wrong("key", &error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("certificate", &error))?;
    let builder = if link.authority.as_os_str().is_empty() {
        builder.with_no_client_auth()
    } else {
        let mut roots = RootCertStore::empty();
        let authority =
            certificates(&link.authority).map_err(|error| wrong("authority", &error))?;
        for certificate in authority {
            let added = roots.add(certificate);
            added.map_err(|error| wrong("authority", &error))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier
            .build()
            .map_err(|error| wrong("authority", &error))?;
        builder.with_client_cert_verifier(verifier)
    };
    let config = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong("certificate", &error))?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
