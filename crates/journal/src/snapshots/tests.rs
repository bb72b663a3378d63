use std::path::Path;

use private_postgres::Cluster;

use super::*;

async fn write(snapshots: &Snapshots, seq: u64, pages: &[&[u8]]) -> Listed {
    let mut writing = snapshots.begin(seq).await.expect("begins");
    for page in pages {
        writing.put(page).await.expect("is put");
    }
    writing.finish().await.expect("is finished")
}

async fn read(snapshots: &Snapshots, listed: &Listed) -> Result<Vec<Vec<u8>>, SnapshotsError> {
    let mut pages = snapshots.open(listed).await?;
    let mut read = Vec::new();
    while let Some(page) = pages.next().await? {
        read.push(page.check()?.to_vec());
    }
    Ok(read)
}

async fn seqs(snapshots: &Snapshots) -> Vec<u64> {
    let listed = snapshots.list().await.expect("a list");
    listed.into_iter().map(|listed| listed.seq).collect()
}

async fn in_postgres() -> Snapshots {
    let store = crate::PostgresStore::parse(&Cluster::shared().database()).expect("a URL");
    Snapshots::postgres(&store).await.expect("tables")
}

/// What every store does.
async fn keeps(snapshots: Snapshots) {
    assert!(seqs(&snapshots).await.is_empty());
    let first = write(&snapshots, 7, &[b"head", b"body", b""]).await;
    let listed = snapshots.list().await.expect("a list");
    assert_eq!(listed, std::slice::from_ref(&first));
    let pages = read(&snapshots, &first).await.expect("pages");
    assert_eq!(pages, [b"head".to_vec(), b"body".to_vec(), Vec::new()]);

    let mut never = snapshots.begin(8).await.expect("begins");
    never.put(b"half").await.expect("is put");
    assert_eq!(seqs(&snapshots).await, [7], "half a snapshot is none");
    drop(never);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    keeps(Snapshots::folder(folder.path().join("snapshots"))).await;
    keeps(Snapshots::memory()).await;
    keeps(in_postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_are_wanted_stay_and_one_that_is_set_aside_is_seen_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    for snapshots in [
        Snapshots::folder(folder.path().join("snapshots")),
        Snapshots::memory(),
        in_postgres().await,
    ] {
        for seq in [5, 90, 12] {
            write(&snapshots, seq, &[b"x"]).await;
        }
        assert_eq!(seqs(&snapshots).await, [90, 12, 5]);
        let dropped = snapshots.keep_only(|listed| listed.seq != 5).await;
        dropped.expect("is dropped");
        assert_eq!(seqs(&snapshots).await, [90, 12]);
        let newest = snapshots.list().await.expect("a list").remove(0);
        snapshots.set_aside(&newest).await.expect("is set aside");
        assert_eq!(seqs(&snapshots).await, [12]);
        write(&snapshots, 91, &[b"y"]).await;
        assert_eq!(seqs(&snapshots).await, [91, 12]);
    }
    let aside = folder
        .path()
        .join("snapshots/00000000000000000090.set-aside");
    assert!(aside.exists(), "a person can look at it");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_nodes_one_makes_a_snapshot_at_a_time() {
    let snapshots = in_postgres().await;
    let first = snapshots.begin(5).await.expect("nobody makes one");
    let busy = snapshots.begin(6).await.expect_err("one is under way");
    assert_eq!(busy.code(), "snapshot_busy");
    first.finish().await.expect("is finished");
    write(&snapshots, 6, &[b"x"]).await;
    assert_eq!(seqs(&snapshots).await, [6, 5]);
}

fn spoil(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("a file");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("is written");
}

#[tokio::test]
async fn any_damage_of_a_file_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let snapshots = Snapshots::folder(folder.path());
    let whole = write(&snapshots, 3, &[b"head", b"a page of some length"]).await;
    let path = Path::new(&whole.name);
    let good = std::fs::read(path).expect("a file");
    let code = async |what: &str| {
        let error = read(&snapshots, &whole).await.expect_err(what);
        std::fs::write(path, &good).expect("is written");
        error.code()
    };
    for place in 0..good.len() {
        spoil(path, |bytes| bytes[place] ^= 0x10);
        assert_eq!(code("a changed byte").await, "snapshot_damaged", "{place}");
        spoil(path, |bytes| bytes.truncate(place));
        assert_eq!(code("a cut").await, "snapshot_damaged", "{place}");
    }
    // Whole pages swapped or of another snapshot.
    let first = 4 + page::HEAD;
    let second = 21 + page::HEAD;
    spoil(path, |bytes| bytes[..first + second].rotate_left(first));
    assert_eq!(code("swapped").await, "snapshot_damaged");
    let other = write(&snapshots, 4, &[b"head", b"a page of another one"]).await;
    let others = std::fs::read(&other.name).expect("a file");
    spoil(path, |bytes| *bytes = others);
    assert_eq!(code("another's").await, "snapshot_damaged");
    assert!(read(&snapshots, &whole).await.is_ok());
}
