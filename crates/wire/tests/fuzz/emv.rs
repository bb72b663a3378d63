//! Chip data, issuer application data and cryptograms over whatever they say.

use paytone_wire::emv::{CardKeys, ChipData, CvmResults, IssuerData, Key, key::Algorithm, version};

use crate::{
    generated::Random,
    mutation::{mutated, rounds},
};

/// Field 55 of the published sample.
const GOOD: &str = "9F260826C8A1042D1CAF3E9F2701809F100706010A03A000009F3704111111119F36023456950500000010809A039807049C01009F02060000000100005F2A020840820258009F1A0208409F0306000000001000";

#[test]
fn any_chip_data_are_read_or_refused_and_never_verify_by_chance() {
    let mut random = Random::new();
    let seed = random.seed;
    let good = data_encoding::HEXUPPER.decode(GOOD.as_bytes());
    let good = good.expect("bytes");
    let key = Key::new(Algorithm::TripleDes, &(1..=16).collect::<Vec<u8>>()).expect("a key");
    let keys = CardKeys::new(&version::VISA_10, &key).expect("keys");
    let mut read = 0;
    for _ in 0..rounds(10_000) {
        let bytes = mutated(&mut random, &good);
        let Ok(data) = ChipData::parse(&bytes) else {
            continue;
        };
        read += 1;
        assert_eq!(
            ChipData::parse(&data.write()),
            Ok(data.clone()),
            "seed {seed}"
        );
        assert_ne!(keys.verify(&data), Ok(true), "seed {seed}");
        let _ = (format!("{data:?}"), data.holder_verification());
        if let Ok(issuer_data) = IssuerData::parse(&data.issuer_data) {
            let _ = (issuer_data.first_decision(), issuer_data.second_decision());
            let _ = (issuer_data.holder(), issuer_data.pin_tries_exceeded());
            let _ = issuer_data.terminal_errs_about_pin();
            // Every version over data of any arrangement.
            for version in version::ALL {
                if version.algorithm == Algorithm::TripleDes {
                    let keys = CardKeys::new(version, &key).expect("keys");
                    let _ = keys.cryptogram(&data);
                }
            }
        }
        if let Some(results) = data.cvm_results {
            let _ = CvmResults::parse(results).verified_on_device();
        }
    }
    assert!(read > 0, "seed {seed}: nothing was read");
}
