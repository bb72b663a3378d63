//! Cryptograms: the card's (ARQC, TC, AAC: Book 2 8.1) and the issuer's answer to it (ARPC: Book 2 8.2).
//!
//! Both sides compute the same: the issuer to verify, a simulated card to ask.

use std::fmt;

use subtle::ConstantTimeEq;

use super::{
    chip_data::ChipData,
    cipher::Cipher,
    derivation::{self, DerivationError},
    issuer_data::{IssuerData, UnknownLayout},
    key::Key,
    version::{Answer, Padding, Session, Signed, Version},
};

/// A card's key made ready for one version of cryptogram.
#[derive(Clone)]
pub struct CardKeys {
    version: &'static Version,
    card: Cipher,
}

/// Why nothing can be computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CryptogramError {
    #[error(transparent)]
    IssuerData(#[from] UnknownLayout),
    #[error("the chip data are of another cryptogram version than the card's")]
    Version,
}

/// What the issuer tells the card, for tag 91.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IssuerAnswer {
    /// The authorisation response code, two characters.
    Code([u8; 2]),
    /// Card status update.
    Status([u8; 4]),
}

impl CardKeys {
    /// `card` is the card's own key.
    pub fn new(version: &'static Version, card: &Key) -> Result<Self, DerivationError> {
        if card.algorithm() != version.algorithm {
            return Err(DerivationError::Algorithm);
        }
        Ok(Self {
            version,
            card: card.prepare(),
        })
    }

    /// From the issuer's key and the card's number.
    pub fn derive(
        version: &'static Version,
        issuer: &Key,
        number: &str,
        sequence: u8,
    ) -> Result<Self, DerivationError> {
        let card = derivation::card_key(issuer, version.card_key, number, sequence)?;
        Self::new(version, &card)
    }

    pub fn version(&self) -> &'static Version {
        self.version
    }

    /// The cryptogram that belongs to `data`; whatever cryptogram they carry is not looked at.
    pub fn cryptogram(&self, data: &ChipData) -> Result<[u8; 8], CryptogramError> {
        self.with_session(data, |key| self.signed(data, key))?
    }

    /// Whether `data` carry the right cryptogram. Compared in constant time.
    pub fn verify(&self, data: &ChipData) -> Result<bool, CryptogramError> {
        let right = self.cryptogram(data)?;
        Ok(right.ct_eq(&data.cryptogram).into())
    }

    /// [`Self::verify`], and the answer to a right one: what tag 91 carries back.
    pub fn verify_and_answer(
        &self,
        data: &ChipData,
        answer: impl FnOnce(bool) -> IssuerAnswer,
    ) -> Result<(bool, Vec<u8>), CryptogramError> {
        self.with_session(data, |key| {
            let right: bool = self.signed(data, key)?.ct_eq(&data.cryptogram).into();
            Ok((right, self.answered(data, key, answer(right))))
        })?
    }

    /// What tag 91 carries back to the card: the issuer's cryptogram, then what it vouches for.
    pub fn answer(
        &self,
        data: &ChipData,
        answer: IssuerAnswer,
    ) -> Result<Vec<u8>, CryptogramError> {
        self.with_session(data, |key| self.answered(data, key, answer))
    }

    /// What a card does with tag 91: whether its issuer says what it seems to.
    pub fn verify_answer(
        &self,
        data: &ChipData,
        authentication: &[u8],
    ) -> Result<bool, CryptogramError> {
        let answer = match (self.version.answer, authentication) {
            (Answer::Method2, [_, _, _, _, a, b, c, d]) => IssuerAnswer::Status([*a, *b, *c, *d]),
            (Answer::Method1 | Answer::Method1CardKey, [_, _, _, _, _, _, _, _, a, b]) => {
                IssuerAnswer::Code([*a, *b])
            }
            _ => return Ok(false),
        };
        let right = self.answer(data, answer)?;
        Ok(right.ct_eq(authentication).into())
    }

    /// Does `with` something that needs the transaction's key.
    fn with_session<T>(
        &self,
        data: &ChipData,
        with: impl FnOnce(&Cipher) -> T,
    ) -> Result<T, CryptogramError> {
        let [high, low] = data.counter.to_be_bytes();
        let diversifier = match self.version.session {
            Session::Card => return Ok(with(&self.card)),
            Session::Common => [high, low, 0, 0, 0, 0, 0, 0],
            Session::MChip => {
                let [a, b, c, d] = data.unpredictable;
                [high, low, 0, 0, a, b, c, d]
            }
        };
        Ok(match &self.card {
            Cipher::TripleDes(card) => with(&derivation::session_of_triple_des(card, diversifier)),
            Cipher::Aes(card) => with(&derivation::session_of_aes(card, diversifier)),
        })
    }

    fn signed(&self, data: &ChipData, key: &Cipher) -> Result<[u8; 8], CryptogramError> {
        let issuer_data = IssuerData::parse(&data.issuer_data)?;
        let version = self.version;
        if issuer_data.layout != version.layout || issuer_data.cryptogram_version != version.number
        {
            return Err(CryptogramError::Version);
        }
        // 33 bytes of the terminal and the card and 32 of the issuer are the most there is.
        let mut input = Vec::with_capacity(72);
        let counter = data.counter.to_be_bytes();
        if version.signed == Signed::Few {
            input.extend_from_slice(&data.amount);
            input.extend_from_slice(&data.unpredictable);
            input.extend_from_slice(&counter);
            // The second byte of the results.
            input.extend_from_slice(&issuer_data.whole[4..5]);
        } else {
            input.extend_from_slice(&data.amount);
            input.extend_from_slice(&data.other_amount);
            input.extend_from_slice(&data.country);
            input.extend_from_slice(&data.tvr.0);
            input.extend_from_slice(&data.currency);
            input.extend_from_slice(&data.date);
            input.push(data.kind);
            input.extend_from_slice(&data.unpredictable);
            input.extend_from_slice(&data.interchange_profile);
            input.extend_from_slice(&counter);
        }
        match version.signed {
            Signed::Few => {}
            Signed::Results => input.extend_from_slice(issuer_data.results),
            Signed::ResultsAndCounters => {
                input.extend_from_slice(issuer_data.results);
                input.extend_from_slice(issuer_data.counters);
            }
            Signed::All => input.extend_from_slice(issuer_data.whole),
        }
        Ok(key.mac(&input, version.padding))
    }

    fn answered(&self, data: &ChipData, session: &Cipher, answer: IssuerAnswer) -> Vec<u8> {
        match self.version.answer {
            Answer::Method2 => {
                let status = answer.status();
                let mut authentication = method_2(session, data.cryptogram, &status).to_vec();
                authentication.extend_from_slice(&status);
                authentication
            }
            Answer::Method1 | Answer::Method1CardKey => {
                let key = match self.version.answer {
                    Answer::Method1CardKey => &self.card,
                    _ => session,
                };
                let code = answer.code();
                let mut authentication = method_1(key, data.cryptogram, code).to_vec();
                authentication.extend_from_slice(&code);
                authentication
            }
        }
    }
}

impl IssuerAnswer {
    /// Bytes for the other method: what is given, cut or filled up with zeros.
    fn code(self) -> [u8; 2] {
        match self {
            Self::Code(code) => code,
            Self::Status([a, b, _, _]) => [a, b],
        }
    }

    fn status(self) -> [u8; 4] {
        match self {
            Self::Code([a, b]) => [a, b, 0, 0],
            Self::Status(status) => status,
        }
    }
}

/// ARPC method 1 (Book 2 8.2.1): the response code mixed into the cryptogram, encrypted.
pub fn method_1(key: &Cipher, cryptogram: [u8; 8], code: [u8; 2]) -> [u8; 8] {
    let mut block = cryptogram;
    block[0] ^= code[0];
    block[1] ^= code[1];
    key.encrypt_8(&mut block);
    block
}

/// ARPC method 2 (Book 2 8.2.2): four bytes of a MAC over the cryptogram and the card status update, with what else the issuer says.
pub fn method_2(key: &Cipher, cryptogram: [u8; 8], status_and_more: &[u8]) -> [u8; 4] {
    let input = [&cryptogram, status_and_more].concat();
    let mac = key.mac(&input, Padding::EightyThenZeros);
    [mac[0], mac[1], mac[2], mac[3]]
}

impl fmt::Debug for CardKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CardKeys({})", self.version.name)
    }
}
