//! Clients that mean no good, or are broken: the next customer pays as if they were not there.

use paytone::pos::player::Player;
use paytone_wire::{iso8583::Framing, till::Code};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    Scene,
    scene::{ACCEPTOR, TERMINAL},
    support::PATIENCE,
};

/// Until the host has ended the connection; what it sent before is passed over.
async fn ended(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    let gone = timeout(PATIENCE, async {
        while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {}
    });
    gone.await.expect("the host ends the connection");
}

#[tokio::test]
async fn lengths_that_cannot_be_and_bytes_that_are_no_messages_end_their_connection_alone() {
    let mut scene = Scene::open().await;
    // A frame longer than the link allows is refused by its length.
    let mut stream = TcpStream::connect(scene.address).await.expect("connected");
    stream.write_all(&[0xFF; 2]).await.expect("written");
    ended(stream).await;
    // Frames that nobody can answer, one after the other.
    let mut stream = TcpStream::connect(scene.address).await.expect("connected");
    let garbage: Vec<u8> = (0..64).flat_map(|_| [0, 4, b'x', 0xFF, 0, 1]).collect();
    let _ = stream.write_all(&garbage).await;
    ended(stream).await;
    assert_eq!(scene.tap(100).await.code, Some(Code::Approved));
    scene.close().await;
}

#[tokio::test]
async fn half_a_frame_and_thousands_who_say_nothing_hold_nobody_up() {
    let mut scene = Scene::open().await;
    let mut idle = Vec::new();
    for at in 0..1_000_u32 {
        let mut stream = TcpStream::connect(scene.address).await.expect("connected");
        if at % 2 == 0 {
            stream.write_all(&[2, 0, b'0']).await.expect("written");
        }
        idle.push(stream);
    }
    assert_eq!(scene.tap(100).await.code, Some(Code::Approved));
    drop(idle);
    scene.close().await;
}

/// A terminal at an address of this machine, if it is let in.
async fn let_in(scene: &Scene, from: [u8; 4]) -> Option<Player> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("an address");
    let stream = socket.connect(scene.address).await.expect("connected");
    let player = Player::over(stream, "1987-ascii", Framing::default(), ACCEPTOR, TERMINAL);
    let mut player = player.expect("a known dialect");
    // Signing on is answered to whoever is let in.
    let sign_on = player.at_the_moment(|terminal, now| terminal.sign_on(now));
    let heard = timeout(PATIENCE, player.exchange(&sign_on)).await;
    heard
        .expect("an answer, or none at once")
        .is_ok()
        .then_some(player)
}

#[tokio::test]
async fn one_address_has_its_share_of_a_link_and_leaves_the_others_theirs() {
    let scene = Scene::open_till(|till| till.connections_per_address = 3).await;
    let (one, other) = ([127, 0, 0, 1], [127, 0, 0, 2]);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(let_in(&scene, one).await.expect("within its share"));
    }
    assert!(let_in(&scene, one).await.is_none(), "beyond its share");
    assert!(let_in(&scene, other).await.is_some(), "somebody else");
    drop(held.pop());
    let again = timeout(PATIENCE, async {
        while let_in(&scene, one).await.is_none() {}
    });
    again.await.expect("a place is free again");
    scene.close().await;
}

#[tokio::test]
async fn a_flood_on_one_connection_is_answered_message_by_message_and_others_go_on() {
    let mut scene = Scene::open().await;
    let mut flood = scene.player().await;
    let mut sent = 0_u64;
    for _ in 0..500 {
        let bought = flood.purchase(&scene.file, &mut scene.card, 100, false);
        flood
            .send(&bought.expect("chip data").0)
            .await
            .expect("it is sent");
        sent += 1;
    }
    assert_eq!(scene.tap(100).await.code, Some(Code::Approved));
    let mut approved = 0;
    for _ in 0..sent {
        let answer = flood.receive().await.expect("an answer");
        approved += i64::from(answer.text(39) == Some("00"));
    }
    // The last tap may overtake the flood: then only the 64 counters before its own are still good, and nothing is taken for the others.
    assert!(approved >= 64, "{approved}");
    assert_eq!(scene.cash().await, 500_000 - 100 * (approved + 1));
    scene.close().await;
}
