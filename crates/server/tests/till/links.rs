//! What links speak, over real sockets: every dialect and framing, and TLS.

use std::{net::SocketAddr, path::Path, sync::Arc};

use paytone::{
    config::TillLink,
    pos::player::{PlayError, Player, Stream},
};
use paytone_wire::{
    iso8583::{
        Framing, MessageType, dialects,
        frame::{Header, LengthHeader},
    },
    till::Code,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    Scene,
    scene::{ACCEPTOR, TERMINAL},
    support::PATIENCE,
};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A tap of ten yuan and its reversal, over `stream`.
async fn pays(scene: &mut Scene, stream: impl Stream + 'static, dialect: &str, framing: Framing) {
    let player = Player::over(stream, dialect, framing, ACCEPTOR, TERMINAL);
    let mut player = player.expect("a known dialect");
    let version = u16::from(player.terminal.version.digit()) * 1_000;
    let before = scene.cash().await;
    let bought = player.purchase(&scene.file, &mut scene.card, 1_000, false);
    let (message, chip) = bought.expect("chip data");
    let heard = player.exchange(&message).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved), "{dialect}");
    assert_eq!(
        heard.message_type,
        MessageType::new(version + 210),
        "{dialect}"
    );
    let authentication = heard.issuer_authentication.as_ref().expect("tag 91");
    let right = scene.card.keys.verify_answer(&chip, authentication);
    assert_eq!(right, Ok(true), "{dialect}");
    assert_eq!(scene.cash().await, before - 1_000, "{dialect}");
    let reversal = player.at_the_moment(|terminal, now| terminal.reversal(&message, now));
    let heard = player.exchange(&reversal).await.expect("an answer");
    assert_eq!(heard.code, Some(Code::Approved), "{dialect}");
    assert_eq!(scene.cash().await, before, "{dialect}");
}

#[tokio::test]
async fn every_dialect_pays_and_reverses_with_every_framing() {
    let lengths = [
        ("two", LengthHeader::Two),
        ("two-lower-first", LengthHeader::TwoLowerFirst),
        ("four", LengthHeader::Four),
        ("four-digits", LengthHeader::FourDigits),
        ("packed", LengthHeader::Packed),
    ];
    let headers = [
        ("", Header::None),
        ("tpdu", Header::Tpdu),
        ("12", Header::Opaque(12)),
    ];
    let mut links = Vec::new();
    let mut framings = Vec::new();
    for (place, dialect) in dialects::ALL.iter().enumerate() {
        let (length, spoken) = lengths[place % lengths.len()];
        let (header, carried) = headers[place % headers.len()];
        let counts_itself = place % 2 == 1;
        let mut link = TillLink::new(&dialect.name, ANY);
        link.dialect = dialect.name.to_string();
        link.length = length.to_owned();
        link.length_counts_itself = counts_itself;
        link.header = header.to_owned();
        links.push(link);
        framings.push(Framing {
            length: spoken,
            counts_itself,
            header: carried,
            ..Framing::default()
        });
    }
    assert!(links.len() >= lengths.len().max(headers.len()));
    let mut scene = Scene::open_links(links).await;
    for (dialect, framing) in dialects::ALL.iter().zip(framings) {
        let address = scene.link(&dialect.name);
        let stream = TcpStream::connect(address).await.expect("it connects");
        pays(&mut scene, stream, &dialect.name, framing).await;
    }
    scene.close().await;
}

/// An authority, a host's certificate and a client's, as files in `folder`.
fn certificates(folder: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
    };
    let ours = authority("ours");
    let theirs = authority("theirs");
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).expect("a file");
    write("authority.pem", ours.pem());
    for (name, host, by) in [
        ("host", "localhost", &ours),
        ("client", "acquirer.example", &ours),
        ("stranger", "acquirer.example", &theirs),
    ] {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a name");
        let signed = params.signed_by(&key, by).expect("signed");
        write(&format!("{name}.pem"), signed.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

/// A TLS connection that shows the certificate of this name, if any.
async fn connect(
    folder: &Path,
    address: SocketAddr,
    certificate: Option<&str>,
) -> std::io::Result<impl Stream + 'static> {
    let read =
        |name: &str| CertificateDer::from_pem_file(folder.join(name)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(read("authority.pem")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots);
    let config = match certificate {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key")));
            let chain = vec![read(&format!("{name}.pem"))];
            let with = builder.with_client_auth_cert(chain, key.expect("a key"));
            with.expect("they fit")
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test]
async fn a_link_with_tls_takes_the_acquirers_own_certificates_and_nobody_elses() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    certificates(folder);
    let mut scene = Scene::open_with(|link| {
        link.certificate = folder.join("host.pem");
        link.key = folder.join("host.key");
        link.authority = folder.join("authority.pem");
    })
    .await;
    let (plain, framing) = ("1987-ascii", Framing::default());
    let known = connect(folder, scene.address, Some("client")).await;
    pays(&mut scene, known.expect("TLS"), plain, framing).await;
    // A client hears in TLS 1.3 that it was not believed when it first reads.
    for certificate in [None, Some("stranger")] {
        if let Ok(stream) = connect(folder, scene.address, certificate).await {
            let player = Player::over(stream, plain, framing, ACCEPTOR, TERMINAL);
            let heard = timeout(PATIENCE, sent_away(&mut scene, player.expect("a player")));
            heard.await.expect("it is sent away at once");
        }
    }
    let stream = TcpStream::connect(scene.address)
        .await
        .expect("it connects");
    let player = Player::over(stream, plain, framing, ACCEPTOR, TERMINAL);
    let heard = timeout(PATIENCE, sent_away(&mut scene, player.expect("a player")));
    heard.await.expect("who speaks no TLS is sent away in time");
    assert_eq!(scene.cash().await, 500_000);
    scene.close().await;
}

/// Nothing that it sends is answered.
async fn sent_away(scene: &mut Scene, mut player: Player) {
    let bought = player.purchase(&scene.file, &mut scene.card, 1_000, false);
    let (message, _) = bought.expect("chip data");
    match player.exchange(&message).await {
        Err(PlayError::Connection(_) | PlayError::Ended) => {}
        other => panic!("{other:?}"),
    }
}
