//! `paytone operator`, `paytone sign-in`, `paytone sign-out`

use std::path::PathBuf;

use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::{
    Failure,
    client::{Reach, segment},
    show,
};

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Add a user; the very first one is added over the local socket without signing in
    Add {
        name: String,
        /// viewer, support, risk, finance or admin
        #[arg(long)]
        role: String,
        #[command(flatten)]
        password: Password,
    },
    /// Remove a user
    Remove { name: String },
    /// Set your own password, asking for the old one; or with a name, somebody else's who has forgotten it, which takes a second
    /// person. Every session with the old one is over
    Password {
        name: Option<String>,
        #[command(flatten)]
        password: Password,
        /// Read your old password from the first line of a file
        #[arg(long, value_name = "FILE")]
        old_password_file: Option<PathBuf>,
    },
    /// Who there is
    List,
}

/// Where a password comes from; without either it is asked for.
#[derive(clap::Args, Debug)]
// A command is called as its arguments are, and two groups of one name are refused.
#[group(skip)]
pub struct Password {
    /// Read the password from the first line of a file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    fn read(&self, twice: bool) -> Result<String, Failure> {
        if let Some(path) = &self.password_file {
            return first_line(path);
        }
        if let Ok(password) = std::env::var("PAYTONE_PASSWORD") {
            return Ok(password);
        }
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt).map_err(|error| Failure::doing("password", error))
        };
        let password = ask("Password: ")?;
        if twice && ask("Once more: ")? != password {
            return Err(Failure::new("the two are not the same"));
        }
        Ok(password)
    }
}

fn first_line(path: &std::path::Path) -> Result<String, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::doing(path.display(), error))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

pub async fn run(reach: &Reach, command: Command) -> Result<(), Failure> {
    let client = reach.client()?;
    match command {
        Command::Add {
            name,
            role,
            password,
        } => {
            let password = password.read(true)?;
            let body = json!({"name": name, "role": role, "password": password});
            let answer = client.post("/operators", &body).await?;
            show::outcome(reach.json, &answer, &format!("operator {name} ({role})"))?;
        }
        Command::Remove { name } => {
            let path = format!("/operators/{}", segment(&name));
            let answer = client.ask(Method::DELETE, &path, None).await?;
            show::outcome(reach.json, &answer, &format!("operator {name} removed"))?;
        }
        Command::Password {
            name: None,
            password,
            old_password_file,
        } => {
            let old = match old_password_file {
                Some(path) => first_line(&path)?,
                None => rpassword::prompt_password("Old password: ")
                    .map_err(|error| Failure::doing("password", error))?,
            };
            let body = json!({"old": old, "new": password.read(true)?});
            let answer = client.ask(Method::PUT, "/me/password", Some(&body)).await?;
            client.forget_token();
            show::outcome(reach.json, &answer, "password set; sign in again")?;
        }
        Command::Password {
            name: Some(name),
            password,
            ..
        } => {
            let body = json!({"password": password.read(true)?});
            let path = format!("/operators/{}/password", segment(&name));
            let answer = client.ask(Method::PUT, &path, Some(&body)).await?;
            show::outcome(reach.json, &answer, &format!("password of {name}"))?;
        }
        Command::List => {
            let answer = client.get("/operators").await?;
            if !show::as_json(reach.json, &answer) {
                let rows = show::list(&answer, "data")?;
                show::table(
                    &["name", "role", "id"],
                    rows.iter().map(|row| {
                        ["name", "role", "id"]
                            .map(|column| show::text(&row[column]))
                            .to_vec()
                    }),
                );
            }
        }
    }
    Ok(())
}

#[derive(clap::Args, Debug)]
pub struct SignIn {
    name: String,
    #[command(flatten)]
    password: Password,
}

pub async fn sign_in(reach: &Reach, args: SignIn) -> Result<(), Failure> {
    let client = reach.client()?;
    let password = args.password.read(false)?;
    let body = json!({"name": args.name, "password": password});
    let answer = client.post("/sessions", &body).await?;
    let token = answer["token"]
        .as_str()
        .ok_or_else(|| Failure::new("the server sent no token"))?;
    client.keep_token(token)?;
    if !show::as_json(reach.json, &answer) {
        println!(
            "signed in as {} ({}) until {}",
            args.name,
            show::text(&answer["operator"]["role"]),
            show::text(&answer["expires_at"])
        );
    }
    Ok(())
}

/// Ends the session at the server, wherever its token was copied to, and forgets the token.
pub async fn sign_out(reach: &Reach) -> Result<(), Failure> {
    let client = reach.client()?;
    let ended = client.ask(Method::DELETE, "/sessions", None).await;
    client.forget_token();
    ended.map(drop)
}
