//! Checksums of landed migrations, which are never edited, because databases that have applied one would not get the
//! change. A new migration gets a line here.

use sha2::{Digest as _, Sha256};

macro_rules! landed {
    ($($name:literal: $checksum:literal,)+) => {
        &[$(($name, include_str!(concat!("../../src/", $name, ".rs")), $checksum)),+]
    };
}

const LANDED: &[(&str, &str, &str)] = landed! {
    "m20261123_000001_create_users": "1420ea40433f67c16333715570b421f9ccd6bbf31a3a689deb272fe85cfb742c",
    "m20261123_000002_create_sessions": "2327a560d1baa10d012569fe9b2a872ff753813d2e1a2a79e4c3c7ab05312efc",
    "m20261123_000003_create_tasks": "8bda1c711156b830a519213bdcb6db7b8ec4231bf1327b6780b723a34a3bbcd7",
    "m20261123_000004_create_conversations": "1ad88b0e685de49d28e9e24b34aab2d0f55c96071b86e89683fe9d93509372fa",
    "m20261123_000005_create_turns": "327620d5fb2166f619281cfa584f63172270de3d2eef5b5018cdc72f79a7fb2e",
    "m20261123_000006_create_messages": "7676001ab40b0f9032ee9b7f4eb854720a218e978fc485a97540114f0ce6a547",
    "m20261123_000007_create_pending_actions": "83af7b33f73896a700552151009ddc5fc7b4ae21fb81e7fd489f9c6b8ead290f",
    "m20261123_000008_extend_turns": "79b37b5c3f932ea6808110d6820ef34dd5466c3d820034ac8d71ccda8010a8b0",
    "m20261123_000009_add_client_keys": "259a19f12095d16cdeddb34fa046b9cfeec5420100151628feae5ba07b46c9b6",
    "m20261123_000010_create_effects": "d7c1d0b007bf1d91246ace6a4cfbb51440bfd6cf84f26638745eb9b4a487b468",
    "m20261123_000011_add_attempts": "92035fe9550ecb72873f57b215da3c11fd95e47f54413aaad5b52cf10224f8b7",
    "m20261124_000012_add_clients": "436340ea3df7cf2a40722a1598e443495be2f80e053a8eaeaf6bf372c3313558",
    "m20261124_000013_create_api_tokens": "18503dc9cf151d759c5f46fe9cdea1b9aeff30028d9be3ad444450fe796f9065",
    "m20261124_000014_create_external_accounts": "ec94c75f2eb4692d09e00251517d2b40f7acddd3e4c93a734251350b6f15620e",
    "m20261124_000015_create_one_time_codes": "fb5cf8fa13735b3e3eca7c4fbbb037b79595d90f09fa7291935ec8a4f262fbf3",
    "m20261124_000016_create_spent_states": "4c2bc020231d445d08847760acd9f04ce0935c55b5fe129951148d49d3db725c",
    "m20261125_000017_add_trash": "dc5409c98241ef5af191189dff1692782d0abd87ccaac9c018f2a29dae2908e5",
    "m20261125_000018_create_changes": "08529d9b946430bdfc440c51a96247ee9837ca94a48ae762703dc05c5b3ce5db",
    "m20261125_000019_drop_effects": "1ce72d93d4e81e65b56ab4c56cbacf49a4640d22b22669a60e3bbac1edc8fd36",
    "m20261125_000020_drop_grounded": "4515b279b79490fba44dff6b862ba59b038bc1d54be9d383d75c45a6fe37b44c",
    "m20261125_000021_recreate_pending_actions": "6871f1c83d848a143b87242fb774b6f7a3df86d912122f3f60cd8b4a901ce9df",
    "m20261128_000022_add_token_counts": "e931bc49a12abcac9c3490597fbdb81e34c77fc05230443ce05f6fc5b8ac3427",
    "m20261128_000024_create_idempotency_keys": "35ae3a9286ebe84780e402a8854f47b777ce5a77691d205c22318c5311cde523",
};

#[test]
fn a_landed_migration_is_never_edited() {
    for (name, source, checksum) in LANDED {
        let digest = Sha256::digest(source).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(digest, *checksum, "{name} was edited");
    }
}

#[tokio::test]
async fn every_migration_has_a_checksum() -> anyhow::Result<()> {
    let db = sea_orm::Database::connect("sqlite::memory:").await?;
    let names: Vec<String> = migrations::status(&db).await?.into_iter().map(|(name, _)| name).collect();
    let landed: Vec<&str> = LANDED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, landed);
    Ok(())
}
