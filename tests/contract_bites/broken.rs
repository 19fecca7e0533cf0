//! Which rule each fault breaks.

use super::fault::Fault;

/// The rule that a store with this fault breaks first.
pub(crate) const BROKEN: &[(Fault, &str)] = &[
    (
        Fault::TruncatesTimesToSeconds,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::HidesRevokedKeys,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::TrimsNames,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::FindsNowWhatWasBefore,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::FindsByTheFirstOctets,
        "inserting: a look-up goes by the whole digest",
    ),
    (
        Fault::InventsUnknownKeys,
        "inserting: an unknown key is not found",
    ),
    (Fault::OverwritesAnId, "inserting: an id is taken once"),
    (
        Fault::LeavesADigestOfARefusedKey,
        "inserting: an id is taken once",
    ),
    (Fault::TellsDigests, "inserting: a digest is taken once"),
    (
        Fault::UpdatesTheEndUnasked,
        "changing: an update changes only what it names",
    ),
    (
        Fault::ForgetsUsesByAChange,
        "changing: a disabled key can be enabled",
    ),
    (
        Fault::OverwritesTheReason,
        "changing: a revocation is final",
    ),
    (Fault::ChangesRevokedKeys, "changing: a revocation is final"),
    (
        Fault::LeavesADigestOfADeletedKey,
        "changing: a deleted key leaves nothing",
    ),
    (
        Fault::RevivesByAUse,
        "changing: a deleted key leaves nothing",
    ),
    (Fault::ExtendsAnEnd, "rotating: an end never moves later"),
    (
        Fault::RotatesToAKnownDigest,
        "rotating: a digest is taken once",
    ),
    (
        Fault::LeavesADroppedSecret,
        "rotating: what has retired makes room",
    ),
    (
        Fault::DropsSecretsThatWork,
        "rotating: what works makes no room",
    ),
    (
        Fault::ListsInAnotherOrder,
        "listing: keys come in the order of their ids",
    ),
    (
        Fault::AlwaysHasANextPage,
        "listing: pages follow each other",
    ),
    (
        Fault::NeedsTheCursorsKey,
        "listing: a page may start after a key that is gone",
    ),
    (
        Fault::ListsWithoutCase,
        "listing: owners are compared octet by octet",
    ),
    (
        Fault::MovesTheLastUseBack,
        "using: the last use only moves forwards",
    ),
    (
        Fault::NotesOneUseOfABatch,
        "using: a batch may be large and hold a key often",
    ),
    (
        Fault::FailsAtUnknownUses,
        "changing: a deleted key leaves nothing",
    ),
    (
        Fault::NotesUsesOfAnySecret,
        "using: the last use only moves forwards",
    ),
    (Fault::EnablesByAUse, "using: a late use undoes no change"),
    (
        Fault::AnswersManyInAnotherOrder,
        "bulk: each key is added or refused by itself",
    ),
    (
        Fault::AddsAllOrNothing,
        "bulk: each key is added or refused by itself",
    ),
    (
        Fault::ChecksThenInserts,
        "racing: one insert of a digest wins",
    ),
    (
        Fault::WritesBackByAChange,
        "racing: one rotation to a digest wins",
    ),
    (
        Fault::WritesBackByAUse,
        "racing: all changes of a key take effect",
    ),
    (
        Fault::ForgetsTheOldSecret,
        "rotating: both secrets are found",
    ),
    (
        Fault::AddsAThousandAtMost,
        "bulk: a batch may be empty or large",
    ),
    (
        Fault::ChecksTheIdThenInserts,
        "racing: one insert of an id wins",
    ),
    (
        Fault::EnablesFromBefore,
        "racing: a revocation holds against every change",
    ),
    (
        Fault::DeletesWhatWasBefore,
        "racing: a deleted key stays deleted",
    ),
    (
        Fault::HidesSecretsWhileRotating,
        "racing: a secret is found during changes",
    ),
    (
        Fault::LosesMetadata,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::LosesChanges,
        "inserting: a key reads back as it was inserted",
    ),
    (
        Fault::RaisesTheRevisionAnyway,
        "changing: an update changes only what it names",
    ),
    (
        Fault::ChangesAnyRevision,
        "conditions: a change needs the expected revision",
    ),
    (
        Fault::ChecksTheRevisionThenWrites,
        "racing: one change of a revision wins",
    ),
    (
        Fault::AddsAnyNumberOfKeys,
        "conditions: an owner has no more keys than allowed",
    ),
    (
        Fault::CountsRevokedKeys,
        "conditions: an owner has no more keys than allowed",
    ),
    (
        Fault::CountsNoExpiredKeys,
        "conditions: an owner has no more keys than allowed",
    ),
    (
        Fault::CountsKeysOfEveryOwner,
        "conditions: an owner has no more keys than allowed",
    ),
    (
        Fault::ChecksTheLimitThenInserts,
        "racing: an owner has no more keys than allowed",
    ),
    (
        Fault::AnswersWithTheKeyThatWasSent,
        "conditions: an idempotency key adds one key",
    ),
    (
        Fault::KeepsTheIdempotencyKeyOfARefusedKey,
        "conditions: an idempotency key adds one key",
    ),
    (
        Fault::KeepsTheIdempotencyKeyOfADeletedKey,
        "conditions: a deleted key's idempotency key is free",
    ),
    (
        Fault::KeepsOldIdempotencyKeys,
        "conditions: old idempotency keys are forgotten",
    ),
    (
        Fault::ChecksTheIdempotencyKeyThenInserts,
        "racing: an idempotency key adds one key",
    ),
    (
        Fault::MindsConditionsOfOneKey,
        "conditions: many keys mind none that is for one",
    ),
    (
        Fault::WritesNoEntryOfADeletion,
        "auditing: each change leaves one entry",
    ),
    (
        Fault::ForgetsTheTrailOfADeletedKey,
        "auditing: each change leaves one entry",
    ),
    (
        Fault::WritesEntriesOfRefusedChanges,
        "auditing: what changes nothing leaves no entry",
    ),
    (
        Fault::WritesEntriesOfNoChange,
        "auditing: what changes nothing leaves no entry",
    ),
    (
        Fault::WritesOneEntryOfMany,
        "auditing: each of many keys leaves its entry",
    ),
    (
        Fault::LosesTheActor,
        "auditing: each change leaves one entry",
    ),
    (
        Fault::LosesTheDetail,
        "auditing: each change leaves one entry",
    ),
    (
        Fault::TruncatesTimesOfEntries,
        "auditing: odd texts and times read back",
    ),
    (
        Fault::AuditsOldestFirst,
        "auditing: each change leaves one entry",
    ),
    (
        Fault::AuditsWithoutCase,
        "auditing: pages follow each other",
    ),
    (
        Fault::RepeatsTheCursorsEntry,
        "auditing: pages follow each other",
    ),
    (
        Fault::ShowsOnePageOfTheTrail,
        "auditing: pages follow each other",
    ),
    (
        Fault::ForgetsEntriesOfTheTime,
        "auditing: old entries are forgotten",
    ),
    (
        Fault::NumbersByTheCount,
        "auditing: old entries are forgotten",
    ),
    (
        Fault::OverwritesCounts,
        "counting: counts add up by version and hour",
    ),
    (
        Fault::MixesVersions,
        "counting: counts add up by version and hour",
    ),
    (
        Fault::MakesSumsOfNothing,
        "counting: counts add up by version and hour",
    ),
    (
        Fault::CountsABatchAgain,
        "counting: a batch is counted once",
    ),
    (
        Fault::CountsAnEarlierBatch,
        "counting: a batch is counted once",
    ),
    (
        Fault::RoundsHoursTowards1970,
        "counting: an hour is that of its time",
    ),
    (
        Fault::CountsTheEndOfARange,
        "counting: a range ends before its end",
    ),
    (
        Fault::CountsUnknownKeys,
        "counting: what does not exist is not counted",
    ),
    (
        Fault::CountsAnyVersion,
        "counting: what does not exist is not counted",
    ),
    (
        Fault::KeepsCountsOfADeletedKey,
        "counting: a deleted key's counts go with it",
    ),
    (
        Fault::ForgetsSumsOfTheHour,
        "counting: old counts are forgotten",
    ),
    (
        Fault::KeepsOldWriters,
        "counting: old writers are forgotten",
    ),
    (
        Fault::ForgetsWritersByTheirLastBatch,
        "counting: old writers are forgotten",
    ),
    (Fault::CountsThenNotesTheBatch, "racing: all counts add up"),
    (
        Fault::KeepsTheHourFirstTold,
        "exercising: the first and the last hour of a scope are told",
    ),
    (
        Fault::ForgetsTheOtherScopes,
        "exercising: the first and the last hour of a scope are told",
    ),
    (
        Fault::KeepsTheHourLastTold,
        "exercising: the first and the last hour of a scope are told",
    ),
    (
        Fault::TellsTheLastScopeFirst,
        "exercising: the first and the last hour of a scope are told",
    ),
    (
        Fault::ForgetsScopesWithCounts,
        "exercising: the first and the last hour of a scope are told",
    ),
    (
        Fault::LosesScopesWithoutCounts,
        "exercising: scopes need no counts",
    ),
    (
        Fault::FoldsScopes,
        "exercising: scopes are compared octet by octet",
    ),
    (
        Fault::ExercisesABatchAgain,
        "exercising: a batch that was counted widens nothing",
    ),
    (
        Fault::ExercisesAnyVersion,
        "exercising: what does not exist exercises nothing",
    ),
    (
        Fault::ExercisesUnknownKeys,
        "exercising: what does not exist exercises nothing",
    ),
    (
        Fault::KeepsScopesOfASmallerSet,
        "exercising: other scopes begin anew",
    ),
    (
        Fault::ForgetsScopesByAnyChange,
        "exercising: no other change forgets",
    ),
    (
        Fault::KeepsScopesOfADeletedKey,
        "exercising: nothing of a deleted key stays",
    ),
    (
        Fault::WritesScopesBack,
        "exercising: what many tell at once is kept",
    ),
];
