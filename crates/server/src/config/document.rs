//! The settings as a commented file. Values come from [`Config::default`], so that the two cannot drift apart.

use toml_edit::{DocumentMut, Item, Table};

use super::{Bank, Config};

const HEADER: &str = "\
# Settings of one Paytone node. Each is shown with its default; leave out what you do not change.
# Limits, vetoes and price plans are not here: they are journaled, see `paytone rules` and `paytone merchant plan`.

";

/// What each setting is, by its path. A test holds this against [`Config`].
const COMMENTS: &[(&str, &str)] = &[
    (
        "data",
        "Folder of the stores and of the admin API's local socket.",
    ),
    (
        "keyring",
        "The keyring's file (`paytone keyring init`), outside every database and its backups.",
    ),
    ("listen", "Where HTTP is served. Put TLS in front of it."),
    (
        "origin",
        "The origin that phones see, such as \"https://pay.example\"; it is part of what they sign.",
    ),
    (
        "home_country",
        "Country of numbers typed without a country code (ISO 3166 alpha-2).",
    ),
    (
        "code_channels",
        "How one-time codes reach a phone, the first usable one first. `screen` exists only in the demo.",
    ),
    (
        "store",
        "Where journal, subject keys, views, archive and webhook deliveries are: SQLite files in `data`, or one PostgreSQL database.",
    ),
    (
        "store.url",
        "\"postgresql://user:password@host:5432/database?sslmode=verify-full\"; empty for SQLite. PGPASSWORD and the\n# password file count too.",
    ),
    (
        "store.url_file",
        "A file that holds the URL, instead of having it here.",
    ),
    (
        "store.ha",
        "Refuses to run unless PostgreSQL names a synchronous standby: what was answered then survives the loss of a machine.",
    ),
    (
        "store.allow_without_standby",
        "With `ha`: runs all the same, where the engine replicates in another way (YugabyteDB, CockroachDB, shared disks).",
    ),
    (
        "archive",
        "Payments that are over leave memory for an archive on disk, and come back when something is asked of them.",
    ),
    (
        "archive.after_seconds",
        "How long a payment stays in memory after its last change; five seconds at least.",
    ),
    (
        "archive.keys_after_seconds",
        "How long the answer to a merchant's idempotency key stays in memory; it counts for `idempotency_hours` all the same.",
    ),
    (
        "cluster",
        "This node among several on one PostgreSQL journal; see \"Three nodes\" in docs/operating.md.",
    ),
    (
        "cluster.name",
        "Its name, which no other has and its certificate carries. Empty for a node on its own.",
    ),
    (
        "cluster.listen",
        "Where the other nodes reach it, by TLS with certificates on both sides.",
    ),
    (
        "cluster.certificate",
        "Its certificate (PEM); `paytone cluster certificates` makes some for a quick start.",
    ),
    ("cluster.key", "The key of that certificate (PEM)."),
    (
        "cluster.authority",
        "The authority that all nodes' certificates are of (PEM).",
    ),
    (
        "cluster.take_over_ms",
        "How long the leader may be silent before another node takes over. It writes four times in it, so this must be well above what the\n# database ever takes for a commit.",
    ),
    (
        "cluster.peers",
        "The other nodes: a line `name = \"host:port\"` for each.",
    ),
    (
        "snapshot",
        "When the state is written down beside the running engine, so that the next start need not replay the whole journal.",
    ),
    (
        "snapshot.every_events",
        "After so many events of the journal; 0 for never. `paytone snapshot` makes one at once.",
    ),
    (
        "snapshot.every_minutes",
        "After so long, if anything happened; 0 for never.",
    ),
    (
        "snapshot.keep",
        "So many of the newest stay, two at least: should one be damaged, a start takes the one before it.",
    ),
    (
        "snapshot.keep_days",
        "And the last one of each of so many business dates, from which looking back (--at) begins; 0 for none.",
    ),
    (
        "journal",
        "When old rows of the journal leave it for files, which `verify`, `--at`, backups and rebuilding go on reading.",
    ),
    (
        "journal.keep_days",
        "So many business dates stay in it whole, and what is before them is exported and taken out; 0 for never. On PostgreSQL the node's \
         role needs the right to delete: `paytone store sql --trims` grants it.",
    ),
    (
        "journal.exports",
        "The folder of those files, which several nodes must share; empty for `exports` in the data folder. Without them nothing can be \
         proven of the time before.",
    ),
    ("limits", "What one node takes on."),
    (
        "limits.connections",
        "Open HTTP connections; more wait in the listener's queue.",
    ),
    ("limits.body_bytes", "Largest body of a request."),
    ("limits.header_bytes", "Largest head of a request."),
    (
        "limits.header_seconds",
        "How long the head of a request may take to arrive.",
    ),
    (
        "limits.request_seconds",
        "How long a request may take in all, event streams apart.",
    ),
    ("limits.streams", "Event streams to phones in all."),
    (
        "limits.look_back_seconds",
        "Longest replay of the past for one question (`--at`, `paytone replay`).",
    ),
    (
        "limits.queue",
        "Commands and reads that may wait for the engine; more are told 503 at once. Keep it well above what one client may have.",
    ),
    (
        "limits.reserve_mib",
        "Memory taken and touched at the start, in MiB, so that growing never waits for the system later; it is not given back.",
    ),
    (
        "limits.per_client_in_flight",
        "Requests of one merchant's key under way at once; more are told 429. Long polls that wait are counted apart.",
    ),
    (
        "limits.per_client_waiting",
        "Long polls of one merchant's key that wait at once; more are told 429.",
    ),
    (
        "limits.per_device_in_flight",
        "Requests of one phone under way at once; more are told 429. Its event streams are counted apart.",
    ),
    ("telemetry", "How the node tells how it is."),
    (
        "telemetry.metrics_listen",
        "Where Prometheus finds /metrics (and /healthz, /readyz), such as \"127.0.0.1:9464\"; empty for nowhere but the admin\n# socket. It tells volumes: keep it from the public.",
    ),
    (
        "telemetry.views_behind_seconds",
        "The node is not ready when its lists have been behind the journal for longer.",
    ),
    (
        "telemetry.log_json",
        "Log one JSON object per line, as `--log-json` does.",
    ),
    (
        "telemetry.otlp_endpoint",
        "Where traces go by OTLP over HTTP, such as \"http://127.0.0.1:4318\"; empty for nowhere, at no cost.",
    ),
    (
        "telemetry.traces_per_thousand",
        "How many requests of a thousand are traced.",
    ),
    (
        "webhooks",
        "Where webhooks may go: https to public addresses, unless said otherwise.",
    ),
    (
        "webhooks.allow_private",
        "Lets webhooks go to private and loopback addresses.",
    ),
    ("webhooks.allow_http", "Lets webhooks go without TLS."),
    (
        "witness",
        "Who keeps the signed root of each business date outside these databases; name at least one.",
    ),
    (
        "witness.file",
        "A file that is only added to, best on another machine's disk or on write-once storage.",
    ),
    (
        "witness.url",
        "Where each root is sent by POST until it is answered with success.",
    ),
    (
        "till",
        "Tokens in phones and the tills that take them; see docs/tills.md.",
    ),
    (
        "till.range",
        "Digits that the numbers of tokens begin with, 6 to 12 of the operator's own; empty for no tokens.",
    ),
    (
        "till.code_prefix",
        "Two to four digits that phones' one-time payment codes begin with, unlike those of other wallets; empty for no codes.",
    ),
    (
        "till.key_file",
        "The issuer's master keys, sealed under the keyring (`paytone till key add`).",
    ),
    (
        "till.currency_number",
        "ISO 4217 number of the currency, as messages name it.",
    ),
    (
        "till.connections",
        "Most connections of one link; further ones are closed at once.",
    ),
    (
        "till.connections_per_address",
        "Most of them from one address.",
    ),
    (
        "till.in_flight",
        "Most requests of one connection under way at once; more are not read until some are answered.",
    ),
    (
        "till.idle_seconds",
        "After so long without a message the other side is asked whether it is there; after as long again it is cut off.",
    ),
    (
        "till.links",
        "Where acquirers and terminals connect: a `[[till.links]]` each, with `name`, `listen`, `dialect`, `length`, `header`,\n# `acceptors`, `answer_seconds`, and for TLS `certificate`, `key` and `authority`.",
    ),
    (
        "bank",
        "The bank that collects from subscribers' accounts. Without it `bank` is no source.",
    ),
    ("bank.url", "Where its interface is."),
    (
        "bank.token_variable",
        "Environment variable that holds its token.",
    ),
    ("bank.token_file", "A file that holds its token, instead."),
    (
        "bank.timeout_seconds",
        "How long to wait for an answer before it counts as unknown.",
    ),
    ("bank.allow_http", "Lets the bank be reached without TLS."),
    (
        "begin",
        "Settled once, when the journal begins; later changes of these lines do nothing.",
    ),
    ("begin.currency", "ISO 4217."),
    ("begin.currency_digits", "Minor digits of the currency."),
    ("begin.zone", "IANA time zone of business days."),
    (
        "begin.cut_off_minutes",
        "Minutes after midnight at which a business day begins.",
    ),
];

/// `paytone.toml` with every setting at its default.
pub fn document() -> String {
    let mut text = HEADER.to_owned();
    text.push_str(&commented(&Config::default()));
    text.push('\n');
    let with_bank = Config {
        bank: Some(Bank {
            url: "https://bank.example/paytone".to_owned(),
            token_variable: Some("PAYTONE_BANK_TOKEN".to_owned()),
            token_file: None,
            timeout_seconds: super::ten(),
            allow_http: false,
        }),
        ..Config::default()
    };
    // The bank has no default: it is shown as a comment.
    if let Some(at) = commented(&with_bank).find("# The bank that") {
        for line in commented(&with_bank)[at..].lines() {
            if line.starts_with("# Settled once") {
                break;
            }
            let hash = if line.is_empty() || line.starts_with('#') {
                ""
            } else {
                "# "
            };
            text.push_str(&format!("{hash}{line}\n"));
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn commented(config: &Config) -> String {
    let mut document = toml::to_string(config)
        .ok()
        .and_then(|text| text.parse::<DocumentMut>().ok())
        .unwrap_or_default();
    comment(document.as_table_mut(), "");
    document.to_string()
}

fn comment(table: &mut Table, above: &str) {
    let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    for key in keys {
        let path = format!("{above}{key}");
        let words = words_of(&path);
        if let Some(Item::Table(inner)) = table.get_mut(&key) {
            inner.decor_mut().set_prefix(format!("\n# {words}\n"));
            comment(inner, &format!("{path}."));
        } else if let Some(mut found) = table.key_mut(&key) {
            found.leaf_decor_mut().set_prefix(format!("# {words}\n"));
        }
    }
}

fn words_of(path: &str) -> &'static str {
    COMMENTS
        .iter()
        .find(|(known, _)| *known == path)
        .map_or("", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_printed_is_the_default() {
        let read: Config = toml::from_str(&document()).expect("it parses");
        assert_eq!(read, Config::default());
    }

    #[test]
    fn the_bank_shown_as_a_comment_can_be_used() {
        let text = document();
        let at = text.find("# [bank]").expect("a bank");
        let section: String = text[at..]
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "))
            .map(|line| format!("{line}\n"))
            .collect();
        let read: Config = toml::from_str(&section).expect("it parses");
        assert!(read.bank.is_some(), "{section}");
    }

    #[test]
    fn every_setting_has_words_and_all_words_are_of_a_setting() {
        let mut paths = BTreeSet::new();
        let with_bank = "[bank]\nurl = \"x\"\ntoken_variable = \"y\"\ntoken_file = \"z\"\n";
        let config: Config = toml::from_str(with_bank).expect("it parses");
        let document: DocumentMut = toml::to_string(&config)
            .expect("TOML")
            .parse()
            .expect("TOML");
        collect(document.as_table(), "", &mut paths);
        let known: BTreeSet<String> = COMMENTS
            .iter()
            .map(|(path, _)| (*path).to_owned())
            .collect();
        assert_eq!(paths, known);
    }

    fn collect(table: &Table, above: &str, paths: &mut BTreeSet<String>) {
        for (key, item) in table {
            let path = format!("{above}{key}");
            if let Item::Table(inner) = item {
                collect(inner, &format!("{path}."), paths);
            }
            paths.insert(path);
        }
    }
}
