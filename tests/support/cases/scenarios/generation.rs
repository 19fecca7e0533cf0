//! Keys as they are made and kept.

use http::StatusCode;
use jiff::Timestamp;
use regex::Regex;
use sha2::{Digest, Sha256};
use tower_api_key::key::{ApiKey, KeyDigest, KeyFormat, KeyHasher};
use tower_api_key::record::{ChangeContext, KeyId, KeyRecord, SecretVersion};
use tower_api_key::store::{Insert, PageRequest};
use tower_api_key::{ApiKeyLayer, KeyManager, KeyRegistry, MemoryStore, Scope};

use super::kit::{manager, new_key, status};

#[tokio::test]
async fn sc_gen_6_a_record_holds_the_sha256_of_the_whole_token_and_no_plaintext() {
    let fresh = manager().issue(new_key()).await.unwrap();
    let [version] = fresh.record.secret_versions() else {
        panic!("expected one secret version, found {:?}", fresh.record);
    };
    let key = fresh.key.expose_secret();
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    assert_eq!(version.digest().as_bytes(), &digest);
    // Of the plaintext a record keeps the shown 8 digits, and not a ninth.
    assert_eq!(version.prefix().as_str(), &key[3..11]);
    assert!(!format!("{:?}", fresh.record).contains(&key[3..12]));

    let pepper = [7; 32];
    let keys = manager().with_hasher(KeyHasher::hmac_sha256(&pepper).unwrap());
    let fresh = keys.issue(new_key()).await.unwrap();
    let found = fresh.record.secret_versions()[0].digest();
    assert_eq!(
        found.as_bytes(),
        &hmac_sha256(pepper, fresh.key.expose_secret().as_bytes())
    );
}

/// HMAC (RFC 2104) spelled out, for a key no longer than a block.
fn hmac_sha256(key: [u8; 32], message: &[u8]) -> [u8; 32] {
    let padded = |mark: u8| {
        let mut block = [mark; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(octet, key)| *octet ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

#[tokio::test]
async fn sc_gen_7_whoever_writes_to_the_store_cannot_make_a_key_without_the_pepper() {
    let token = ApiKey::generate(&KeyFormat::default()).unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let forged = SecretVersion::new(1, KeyHasher::sha256().digest(&token), token.prefix(), now);
    let forged = KeyRecord::new(KeyId::from_bytes([1; 16]), "attacker", "forged", now)
        .with_scopes([Scope::READ])
        .with_secret_versions([forged]);

    let hasher = KeyHasher::hmac_sha256(&[7; 32]).unwrap();
    let keys = manager().with_hasher(hasher);
    keys.store()
        .insert(Insert::new(
            forged,
            &ChangeContext::new(Timestamp::UNIX_EPOCH),
        ))
        .await
        .unwrap();
    let peppered = ApiKeyLayer::from_verifier(keys.verifier());
    assert_eq!(
        status(&peppered, token.expose_secret()).await,
        StatusCode::UNAUTHORIZED
    );
    // Keys of its own work; and without a pepper the forged one would.
    let own = keys.issue(new_key()).await.unwrap();
    assert_eq!(
        status(&peppered, own.key.expose_secret()).await,
        StatusCode::OK
    );
    let plain = ApiKeyLayer::new(keys.store().clone());
    assert_eq!(status(&plain, token.expose_secret()).await, StatusCode::OK);
}

#[tokio::test]
async fn sc_gen_8_keys_with_one_prefix_live_side_by_side() {
    let (keys, format) = (KeyManager::new(MemoryStore::new()), KeyFormat::default());
    let tokens: Vec<_> = (0..50)
        .map(|number| format.parse(&format!("tc_0badcafe{number:056x}")).unwrap())
        .collect();
    for (token, number) in tokens.iter().zip(0..) {
        let version = SecretVersion::new(
            1,
            KeyHasher::sha256().digest(token),
            token.prefix(),
            Timestamp::UNIX_EPOCH,
        );
        let id = KeyId::from_bytes([number; 16]);
        let record = KeyRecord::new(id, "acct_42", number.to_string(), Timestamp::UNIX_EPOCH)
            .with_scopes([Scope::READ])
            .with_secret_versions([version]);
        keys.store()
            .insert(Insert::new(
                record,
                &ChangeContext::new(Timestamp::UNIX_EPOCH),
            ))
            .await
            .unwrap();
    }
    let verifier = keys.verifier();
    for (token, number) in tokens.iter().zip(0_u8..) {
        let identity = verifier.verify(token.expose_secret()).await.unwrap();
        assert_eq!(identity.key_id(), KeyId::from_bytes([number; 16]));
        assert_eq!(identity.key_prefix().as_str(), "0badcafe");
    }
    let page = keys
        .list("acct_42", &PageRequest::first(100))
        .await
        .unwrap();
    let same = page
        .keys()
        .iter()
        .filter(|record| record.secret_versions()[0].prefix().as_str() == "0badcafe");
    assert_eq!(same.count(), 50);
}

#[test]
fn sc_gen_10_the_scanner_pattern_finds_every_key() {
    for format in [
        KeyFormat::default(),
        KeyFormat::default().with_checksum(),
        KeyFormat::new("acme_live_").unwrap(),
    ] {
        let scanner = Regex::new(&format.pattern()).unwrap();
        let keys: Vec<_> = (0..200)
            .map(|_| ApiKey::generate(&format).unwrap())
            .collect();
        let files = keys.iter().enumerate().map(|(index, key)| {
            let key = key.expose_secret();
            match index % 4 {
                0 => format!("API_KEY={key}\n"),
                1 => format!("{{\"key\":\"{key}\"}}"),
                2 => format!("curl -H 'Authorization: Bearer {key}' https://api"),
                _ => format!("<{key}>{key}"),
            }
        });
        let repository = files.collect::<Vec<_>>().join("\n");
        let found = scanner.find_iter(&repository).map(|found| found.as_str());
        let expected = keys.iter().enumerate().flat_map(|(index, key)| {
            std::iter::repeat_n(key.expose_secret(), if index % 4 == 3 { 2 } else { 1 })
        });
        assert!(found.eq(expected));
    }
    assert_eq!(KeyFormat::default().pattern(), "tc_[0-9a-f]{64}");
}

#[test]
fn sc_gen_6_a_digest_has_32_octets_and_no_way_back() {
    assert_eq!(KeyDigest::LEN, 32);
    let key = ApiKey::generate(&KeyFormat::default()).unwrap();
    let digits = hex::decode(&key.expose_secret()[3..]).unwrap();
    assert_ne!(
        KeyHasher::sha256().digest(&key).as_bytes(),
        digits.as_slice()
    );
}
