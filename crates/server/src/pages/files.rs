//! Every file that is embedded: adding one is one line.

use aws_lc_rs::digest;
use axum::http::HeaderValue;

/// A file under `pages/`, or one of `messages/`.
pub struct File {
    /// As under the folder, such as `phone/app.js`.
    pub path: &'static str,
    pub bytes: &'static [u8],
}

macro_rules! files {
    ($($path:literal)*) => {
        &[$(File {
            path: $path,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/pages/", $path)),
        }),*]
    };
}

macro_rules! messages {
    ($language:literal) => {
        File {
            path: concat!("messages/", $language, ".json"),
            bytes: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/messages/",
                $language,
                ".json"
            )),
        }
    };
}

/// Texts, one file per language.
pub const MESSAGES: &[File] = &[messages!("en"), messages!("zh")];

/// What every node serves.
#[rustfmt::skip]
pub const EVERYWHERE: &[File] = files![
    "operator/index.html"
    "operator/lists.js"
    "operator/operator.css"
    "operator/operator.js"
    "operator/overview.js"
    "operator/payments.js"
    "operator/session.js"
    "operator/subscriber.js"
    "operator/worklist.js"
    "phone/account.js"
    "phone/api.js"
    "phone/app.js"
    "phone/approval.js"
    "phone/devices.js"
    "phone/enrol-device.js"
    "phone/enrol.js"
    "phone/history.js"
    "phone/home.js"
    "phone/icon.svg"
    "phone/index.html"
    "phone/keys.js"
    "phone/mandates.js"
    "phone/manifest.webmanifest"
    "phone/phone.css"
    "phone/pay.js"
    "phone/prompt.js"
    "phone/result.js"
    "phone/service-worker.js"
    "phone/settings.js"
    "phone/stream.js"
    "reference/index.html"
    "reference/reference.css"
    "reference/reference.js"
    "shared/barcode.js"
    "shared/countdown.js"
    "shared/dom.js"
    "shared/keypad.js"
    "shared/logo.svg"
    "shared/messages.js"
    "shared/money.js"
    "shared/parts.js"
    "shared/request.js"
    "shared/style.css"
    "shared/time.js"
];

/// What the demo serves besides.
#[rustfmt::skip]
pub const DEMO: &[File] = files![
    "landing/index.html"
    "landing/landing.css"
    "landing/landing.js"
    "till/index.html"
    "till/till.css"
    "till/till.js"
    "shop/catalogue.js"
    "shop/catalogue.json"
    "shop/checkout.js"
    "shop/index.html"
    "shop/lantern.svg"
    "shop/order.js"
    "shop/pictures/bridge-builders.svg"
    "shop/pictures/moon-garden.svg"
    "shop/pictures/night-market.svg"
    "shop/pictures/paper-cranes.svg"
    "shop/pictures/river-atlas.svg"
    "shop/pictures/tea-year.svg"
    "shop/shop.css"
    "shop/shop.js"
];

impl File {
    /// Where it is found: a folder's `index.html` is the folder itself.
    pub fn address(&self) -> String {
        format!(
            "/{}",
            self.path.strip_suffix("index.html").unwrap_or(self.path)
        )
    }

    /// Its media type, by the end of its name.
    pub fn kind(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, end)| end) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("json") => "application/json",
            Some("svg") => "image/svg+xml",
            Some("webmanifest") => "application/manifest+json",
            Some("png") => "image/png",
            _ => "application/octet-stream",
        }
    }

    /// Changes with the content.
    pub fn tag(&self) -> HeaderValue {
        let digest = digest::digest(&digest::SHA256, self.bytes);
        let text = format!(
            "\"{}\"",
            data_encoding::HEXLOWER.encode(&digest.as_ref()[..16])
        );
        HeaderValue::try_from(text).expect("hexadecimal digits fit a header")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn found(folder: &Path, root: &Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder of pages") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found(&path, root, into);
            } else {
                let path = path.strip_prefix(root).expect("under the folder");
                into.push(path.display().to_string());
            }
        }
    }

    #[test]
    fn every_file_of_the_folders_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut in_folders = Vec::new();
        found(&root.join("pages"), &root.join("pages"), &mut in_folders);
        found(&root.join("messages"), root, &mut in_folders);
        in_folders.sort();
        let all = EVERYWHERE.iter().chain(DEMO).chain(MESSAGES);
        let mut embedded: Vec<_> = all.clone().map(|file| file.path.to_owned()).collect();
        embedded.sort();
        assert_eq!(embedded, in_folders);
        for file in all {
            assert_ne!(file.kind(), "application/octet-stream", "{}", file.path);
        }
    }
}
