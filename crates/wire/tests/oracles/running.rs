//! Starts an oracle with a file of cases.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles")
}

/// What the Python program `script` answers to `asked`.
pub fn python(script: &str, asked: &Value) -> Value {
    run(&folder().join("python/bin/python"), script, asked)
}

/// What the Node program `script` answers to `asked`.
pub fn node(script: &str, asked: &Value) -> Value {
    assert!(
        folder().join("node_modules").exists(),
        "run scripts/install: it puts the packages there that this test compares with"
    );
    run(Path::new("node"), script, asked)
}

fn run(program: &Path, script: &str, asked: &Value) -> Value {
    let cases = tempfile::NamedTempFile::new().expect("a file for the cases");
    std::fs::write(cases.path(), asked.to_string()).expect("the cases are written");
    let ran = Command::new(program)
        .arg(folder().join(script))
        .arg(cases.path())
        .output()
        .unwrap_or_else(|error| panic!("run scripts/install: {}: {error}", program.display()));
    assert!(
        ran.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).expect("an answer in JSON")
}
