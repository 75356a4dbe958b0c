//! The checks of a model: each finds what it is for, and says of a sound one that it is.

use std::fs;

use cliploupe_workbench::{
    messages::{Check, CheckId, CheckOutcome, VerifyReport},
    model_source::ModelSource,
    store::{Halt, Import, Stop, Store},
    verify::verify,
};

use crate::{downloads::WEIGHTS, root};

fn checked(source: &ModelSource, device: &str) -> VerifyReport {
    verify(source, &device.parse().unwrap(), &Halt::default(), &mut |_| {}).unwrap()
}

fn fixture(name: &str) -> ModelSource {
    ModelSource::Path { path: root("tests/fixtures/clip").join(name), config: None }
}

fn check(report: &VerifyReport, id: CheckId) -> &Check {
    report.checks.iter().find(|check| check.id == id).unwrap()
}

fn outcomes<const N: usize>(report: &VerifyReport, ids: [CheckId; N]) -> [CheckOutcome; N] {
    ids.map(|id| check(report, id).outcome)
}

#[test]
fn the_embedded_model_knows_what_is_on_the_samples() {
    let mut heard = Vec::new();
    let cpu = "cpu".parse().unwrap();
    let report = verify(&ModelSource::Embedded, &cpu, &Halt::default(), &mut |now| heard.push(now.fraction)).unwrap();
    assert!(report.outcome <= CheckOutcome::Warn, "{report:#?}");
    use CheckId::{
        Activation, Files, Load, LogitScale, NormEpsilon, Pooling, Preprocessing, Samples, Spread, Tokenizer,
    };
    let passed = outcomes(&report, [Load, Tokenizer, Pooling, Preprocessing, LogitScale, Spread, Samples]);
    assert_eq!(passed, [CheckOutcome::Pass; 7], "{report:#?}");
    assert_eq!(outcomes(&report, [Files, Activation, NormEpsilon]), [CheckOutcome::Skipped; 3]);
    assert_eq!(check(&report, Activation).params["reason"], "notNative");
    assert!(check(&report, Samples).figure.unwrap() > 0.05);
    let rank = check(&report, CheckId::Rank);
    assert_eq!(rank.outcome, CheckOutcome::Pass, "{rank:?}");
    assert!(heard.len() >= 10 && heard.is_sorted());
}

#[test]
fn a_model_with_random_weights_knows_nothing_and_every_check_is_made() {
    let report = checked(&fixture("e2e-clip-f16"), "cpu");
    assert_eq!(report.outcome, CheckOutcome::Fail);
    use CheckId::{Activation, Load, NormEpsilon, Orientation, Samples, Tokenizer};
    assert_eq!(
        outcomes(&report, [Load, Tokenizer, Samples]),
        [CheckOutcome::Pass, CheckOutcome::Pass, CheckOutcome::Fail]
    );
    // Towers of open_clip's own can be tried with the other activation and the other epsilon.
    for id in [Activation, NormEpsilon] {
        assert_ne!(check(&report, id).outcome, CheckOutcome::Skipped, "{report:#?}");
        assert!(check(&report, id).params.contains_key("swapped"));
    }
    assert_eq!(check(&report, Orientation).params.get("reason").map(String::as_str), Some("notSquare"));
}

#[test]
fn a_model_without_words_is_not_tried_on_them() {
    let report = checked(&fixture("clip-vit"), "cpu");
    use CheckId::{Activation, Samples, Spread, Tokenizer};
    assert_eq!(check(&report, Tokenizer).outcome, CheckOutcome::Fail);
    assert_ne!(check(&report, Spread).outcome, CheckOutcome::Skipped, "pictures need no words");
    for id in [Samples, Activation] {
        assert_eq!(check(&report, id).params["reason"], "noTokenizer");
    }
}

#[test]
fn a_file_that_changed_since_it_was_installed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::at(folder.path());
    let import = Import { path: root("tests/fixtures/clip/clip-vit"), ..Import::default() };
    store.import(&import, &Halt::default(), &mut |_| {}).unwrap();
    let source = || ModelSource::find("clip-vit", None, Some(&store)).unwrap();
    let files = |source: &ModelSource| check(&checked(source, "cpu"), CheckId::Files).clone();
    assert_eq!(files(&source()).outcome, CheckOutcome::Pass);

    let weights = store.find("clip-vit").unwrap().folder.join(WEIGHTS);
    let mut bytes = fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, &bytes).unwrap();
    let found = files(&source());
    assert_eq!((found.outcome, found.params["file"].as_str()), (CheckOutcome::Fail, WEIGHTS));
    fs::write(&weights, &bytes[..100]).unwrap();
    let report = checked(&source(), "cpu");
    assert_eq!(outcomes(&report, [CheckId::Files, CheckId::Load]), [CheckOutcome::Fail; 2]);
    assert_eq!(check(&report, CheckId::Samples).params["reason"], "notLoaded");
}

#[test]
fn checks_that_a_person_stops_are_skipped() {
    let halt = Halt::default();
    halt.ask(Stop::Cancel);
    let report = verify(&fixture("clip-vit"), &"cpu".parse().unwrap(), &halt, &mut |_| {}).unwrap();
    assert_eq!(report.outcome, CheckOutcome::Skipped);
    assert!(report.checks.len() == 15 && report.checks.iter().all(|check| check.params["reason"] == "stopped"));
}

/// On a machine without a GPU this is llvmpipe, which must be asked for by its number.
#[test]
fn an_adapter_agrees_with_the_cpu_stage_by_stage() {
    let Some(_turn) = crate::devices::turn() else { return };
    let report = checked(&fixture("e2e-clip-f16"), "gpu:0");
    let agreement = check(&report, CheckId::Agreement);
    assert_eq!(agreement.outcome, CheckOutcome::Pass, "{agreement:#?}");
    assert!(agreement.params["count"].parse::<u32>().unwrap() > 8 && agreement.figure.unwrap() < 1e-3);
}
