//! A library behind the photos: what stays over a start, what a move keeps, searches, review.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cliploupe_workbench::{
    LibraryPlace, Options, Workbench,
    messages::{
        EvaluationQuery, LabelPrompts, PhotoFilter, PhotoId, PhotoOrder, PhotoQuery, PhotoRecord, PhotoState,
        QueueQuery, ReviewVerdict, SearchTerm, WorkbenchEvent,
    },
};

use crate::{Events, count, labels, models::wait_for, root, samples, workbench};

/// A folder with the sample photos, and one for a library.
fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let (photos, library) = (root.path().join("photos"), root.path().join("library"));
    fs::create_dir(&photos).unwrap();
    for entry in fs::read_dir(samples()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), photos.join(entry.file_name())).unwrap();
    }
    (root, photos, library)
}

fn open(library: &Path) -> (Workbench, Events) {
    let (bench, events) =
        workbench(Options { library: Some(LibraryPlace::At(library.to_owned())), ..Options::default() });
    bench.set_labels(labels(&["animal/cat", "coffee", "rocket", "car"])).unwrap();
    bench.wait_idle();
    (bench, events)
}

fn problems(events: &Events) -> Vec<String> {
    let events = events.lock().unwrap();
    let messages = events.iter().filter_map(|event| match event {
        WorkbenchEvent::Problem { problem } => Some(problem.message.clone()),
        _ => None,
    });
    messages.collect()
}

fn named(bench: &Workbench, name: &str) -> PhotoRecord {
    bench.photos().into_iter().find(|photo| photo.name == name).unwrap_or_else(|| panic!("{name} is not there"))
}

/// The same labels with the same scores, but for the order in which products are summed up.
fn is_alike(a: &PhotoRecord, b: &PhotoRecord) -> bool {
    let pairs = a.best.iter().zip(&b.best);
    a.best.len() == b.best.len()
        && pairs.into_iter().all(|(a, b)| a.label == b.label && (a.score - b.score).abs() < 1e-5)
}

fn text(text: &str, weight: f32) -> SearchTerm {
    SearchTerm::Text { text: text.into(), weight }
}

fn names(bench: &Workbench, query: &PhotoQuery) -> Vec<String> {
    let list = bench.photo_list(query).unwrap();
    bench.photo_records(&list.ids).unwrap().into_iter().map(|photo| photo.name).collect()
}

#[test]
fn photos_results_and_tags_are_there_after_a_restart_and_nothing_is_encoded_again() {
    let (_root, photos, library) = folders();
    let (bench, events) = open(&library);
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    assert!(problems(&events).is_empty(), "{:?}", problems(&events));
    let before = bench.photos();
    assert!(before.iter().all(|photo| photo.state == PhotoState::Labelled && photo.width > 0));
    let cat = named(&bench, "chelsea.png").id;
    bench.decide(&[cat], "animal/cat", ReviewVerdict::Accept).unwrap();
    let (bits, facts) = (bench.thumbnail(cat).unwrap(), bench.details(cat).unwrap().facts.unwrap());
    drop(bench);

    let (bench, events) = open(&library);
    let encoded = |event: &WorkbenchEvent| matches!(event, WorkbenchEvent::PhotosDecoded { .. });
    assert_eq!((count(&events, encoded), problems(&events)), (0, vec![]));
    let after = bench.photos();
    assert_eq!(after.len(), before.len());
    for (a, b) in after.iter().zip(&before) {
        assert_eq!((a.id, &a.path, a.width, a.height), (b.id, &b.path, b.width, b.height));
        assert!(is_alike(a, b), "{:?} was {:?}", a.best, b.best);
    }
    let record = &bench.photo_records(&[cat]).unwrap()[0];
    assert_eq!(record.tags, ["animal/cat"]);
    let details = bench.details(cat).unwrap();
    assert_eq!((details.facts.unwrap(), details.scores.len()), (facts, 4));
    assert!(details.decisions[0].accepted && details.decisions[0].origin == "person");
    assert_eq!(bench.thumbnail(cat).unwrap(), bits);
    // Adding the folder once more changes nothing.
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    assert_eq!((count(&events, encoded), bench.photos().len()), (0, before.len()));
    bench.undo().unwrap().expect("a step of the time before can be undone");
    assert!(bench.photo_records(&[cat]).unwrap()[0].tags.is_empty());
}

#[test]
fn a_file_that_was_moved_keeps_tags_and_features_and_a_copy_is_no_second_photo() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    let (cat, all) = (named(&bench, "chelsea.png"), bench.photos().len());
    bench.decide(&[cat.id], "animal/cat", ReviewVerdict::Accept).unwrap();
    let moved = photos.join("moved");
    fs::create_dir(&moved).unwrap();
    fs::rename(photos.join("chelsea.png"), moved.join("my cat.png")).unwrap();
    fs::copy(photos.join("coffee.png"), moved.join("copy.png")).unwrap();
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    assert_eq!(bench.photos().len(), all);
    let now = named(&bench, "my cat.png");
    assert_eq!((now.id, now.state, is_alike(&now, &cat), now.missing), (cat.id, PhotoState::Labelled, true, false));
    assert_eq!(bench.photo_records(&[cat.id]).unwrap()[0].tags, ["animal/cat"]);
    let coffee = named(&bench, "coffee.png");
    assert_eq!((coffee.files, bench.details(coffee.id).unwrap().files.len()), (2, 2));
}

#[test]
fn what_is_gone_is_missing_and_what_was_taken_out_comes_back_with_its_tags() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    let cat = named(&bench, "chelsea.png").id;
    bench.decide(&[cat], "animal/cat", ReviewVerdict::Accept).unwrap();
    bench.remove(&[cat]).unwrap();
    assert!(bench.photos().iter().all(|photo| photo.id != cat));
    bench.restore(&[cat]).unwrap();
    bench.wait_idle();
    let back = bench.photo_records(&[cat]).unwrap().swap_remove(0);
    assert_eq!((back.state, back.tags), (PhotoState::Labelled, vec!["animal/cat".to_owned()]));
    let everything = bench.photo_list(&PhotoQuery::default()).unwrap().ids;
    assert!(everything.contains(&cat));

    fs::remove_file(photos.join("chelsea.png")).unwrap();
    bench.rescan().unwrap();
    bench.wait_idle();
    let missing = PhotoFilter { missing: Some(true), ..PhotoFilter::default() };
    let query = PhotoQuery { filter: missing, ..PhotoQuery::default() };
    assert_eq!(bench.photo_list(&query).unwrap().ids, [cat]);
    let record = bench.photo_records(&[cat]).unwrap().swap_remove(0);
    assert!(record.missing && record.tags == ["animal/cat"] && !record.best.is_empty());
}

#[test]
fn searches_add_and_take_away_within_a_filter_and_say_what_they_did() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    let search = |search: Vec<SearchTerm>| PhotoQuery { search, past_cut: true, ..PhotoQuery::default() };
    let cat = search(vec![text("a cat", 1.0)]);
    let found = bench.photo_list(&cat).unwrap();
    assert_eq!((found.head.count, names(&bench, &cat)[0].as_str()), (7, "chelsea.png"));
    let scores = found.scores.unwrap();
    assert!(scores.is_sorted_by(|a, b| a >= b) && found.head.cut.is_some());
    let id = found.ids[0];
    let explained = bench.explain_hit(&cat, id).unwrap();
    assert!((explained.score - scores[0]).abs() < 1e-4);
    let without = search(vec![text("a cat", 1.0), text("a cat", -2.0)]);
    assert_ne!(names(&bench, &without)[0], "chelsea.png");
    let both = bench.explain_hit(&without, id).unwrap();
    let sum: f32 = both.terms.iter().map(|term| term.adds).sum();
    assert!(both.terms.len() == 2 && both.terms[1].adds < 0.0 && (sum - both.score).abs() < 1e-3, "{both:?}");
    let like = search(vec![SearchTerm::Photo { id, weight: 1.0 }]);
    assert_eq!(bench.photo_list(&like).unwrap().ids[0], id);

    bench.decide(&[id], "pets/cat", ReviewVerdict::Accept).unwrap();
    let tagged = PhotoFilter { tags: vec!["pets".into()], ..PhotoFilter::default() };
    let within = PhotoQuery { filter: tagged, ..cat.clone() };
    assert_eq!(names(&bench, &within), ["chelsea.png"]);
    let by_word = PhotoFilter { text: "CAT".into(), ..PhotoFilter::default() };
    let by_word = PhotoQuery { filter: by_word, order: PhotoOrder::Name, ..PhotoQuery::default() };
    assert!(names(&bench, &by_word).contains(&"chelsea.png".to_owned()));
    bench.mark_hit(&cat, id, Some(true)).unwrap();
    assert_eq!(bench.photo_list(&cat).unwrap().head.cut.unwrap().marks, 1);
    assert_eq!(bench.explain_hit(&cat, id).unwrap().mark, Some(true));
    let menu = bench.filter_menu().unwrap();
    assert!(menu.tags.iter().any(|tag| tag.name == "pets/cat" && tag.count == 1) && menu.untagged == 6);
}

#[test]
fn suggestions_wait_for_verdicts_learn_from_them_and_never_mix_with_tags() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    bench.set_threshold("animal/cat", Some(0.0)).unwrap();
    bench.suggest().unwrap();
    let state = bench.review_state().unwrap();
    let cats = state.labels.iter().find(|row| row.label == "animal/cat").unwrap();
    assert_eq!((cats.waiting, cats.threshold, cats.in_set, state.outdated), (7, 0.0, true, false));
    let query = QueueQuery { label: Some("animal/cat".into()), ..QueueQuery::default() };
    let queue = bench.queue(&query).unwrap();
    assert_eq!((queue.total, queue.items.len()), (7, 7));
    let by = &queue.items[0].by;
    assert!(by.prompt.contains("cat") && by.cosine.is_finite() && (0.0..=1.0).contains(&by.probability));
    assert!(bench.photos().iter().all(|photo| photo.tags.is_empty()));

    let cat = named(&bench, "chelsea.png").id;
    let others: Vec<PhotoId> = queue.items.iter().map(|item| item.photo).filter(|id| *id != cat).collect();
    bench.decide(&[cat], "animal/cat", ReviewVerdict::Accept).unwrap();
    bench.decide(&others, "animal/cat", ReviewVerdict::Reject).unwrap();
    let card = bench.label_card("animal/cat").unwrap();
    assert_eq!((card.decisions, card.counts.iter().sum::<u32>()), (7, 7));
    assert_eq!((card.accepted.iter().sum::<u32>(), card.rejected.iter().sum::<u32>()), (1, 6));
    assert!(card.probabilities.is_sorted() && card.edges.is_sorted());
    let decided = &bench.details(cat).unwrap().decisions[0];
    assert!(decided.accepted && decided.suggested.as_ref().is_some_and(|by| by.prompt.contains("cat")));
    let report = bench.evaluate(&EvaluationQuery { measure: "f1".into(), compare: None }).unwrap();
    assert_eq!((report.this.rows[0].positives, report.this.rows[0].negatives), (1, 6));
    assert_eq!(report.this.rows[0].average_precision, Some(1.0));
    assert!(bench.evaluation_text(true).unwrap().0.contains("animal/cat"));

    let undone = bench.undo().unwrap().unwrap();
    assert_eq!((undone.photos.len(), undone.step.kind.as_str()), (6, "reject"));
    assert_eq!(bench.queue(&query).unwrap().total, 6);
    assert_eq!(bench.redo().unwrap().unwrap().photos.len(), 6);
    assert_eq!(bench.decide_all("animal/cat", 0.0, ReviewVerdict::Accept).unwrap(), 0);

    // Another sentence for the label makes the suggestions those of another question; the decisions stay.
    let mut settings = labels(&["animal/cat", "coffee"]);
    let own = LabelPrompts { prompts: vec!["a tabby kitten".into()], templates: Some(vec!["{}".into()]) };
    settings.prompts.insert("animal/cat".into(), own);
    bench.set_labels(settings).unwrap();
    bench.wait_idle();
    assert!(bench.review_state().unwrap().outdated);
    bench.suggest().unwrap();
    assert_eq!(bench.photo_records(&[cat]).unwrap()[0].tags, ["animal/cat"]);
    bench.rename_tag("animal/cat", "pets/cat").unwrap();
    assert_eq!(bench.photo_records(&[cat]).unwrap()[0].tags, ["pets/cat"]);
}

#[test]
fn a_damaged_feature_and_a_lost_thumbnail_are_made_again() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    let (before, cat) = (bench.photos(), named(&bench, "chelsea.png").id);
    drop(bench);
    let features = fs::read_dir(library.join("features")).unwrap().flatten();
    let values = features.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "f16")).unwrap();
    let mut bytes = fs::read(&values).unwrap();
    bytes[10] ^= 0x55;
    fs::write(&values, bytes).unwrap();
    fs::remove_dir_all(library.join("thumbnails")).unwrap();

    let (bench, _) = open(&library);
    bench.wait_idle();
    let after = bench.photos();
    assert!(after.iter().all(|photo| photo.state == PhotoState::Labelled), "{after:?}");
    assert!(after.iter().zip(&before).all(|(a, b)| a.id == b.id && is_alike(a, b)));
    assert!(bench.thumbnail(cat).unwrap().starts_with(&[0xff, 0xd8]));
}

#[test]
fn a_watched_folder_brings_in_what_is_put_there_and_notices_what_goes() {
    let (_root, photos, library) = folders();
    let (bench, events) = open(&library);
    bench.watch_folder(&photos).unwrap();
    bench.wait_idle();
    assert_eq!(bench.photos().len(), 7);
    fs::copy(root("tests/fixtures/embedded/photos/china.jpg"), photos.join("new.jpg")).unwrap();
    wait_for(|| bench.photos().iter().any(|photo| photo.name == "new.jpg" && photo.state == PhotoState::Labelled));
    fs::remove_file(photos.join("coffee.png")).unwrap();
    wait_for(|| bench.photos().iter().any(|photo| photo.name == "coffee.png" && photo.missing));
    assert!(problems(&events).is_empty(), "{:?}", problems(&events));
    let state = bench.library_state().unwrap();
    assert_eq!((state.watched.len(), state.watched[0].photos, state.missing), (1, 8, 1));
    bench.unwatch_folder(&photos).unwrap();
    assert!(bench.library_state().unwrap().watched.is_empty());
}

#[test]
fn thumbnails_of_the_library_are_no_photos() {
    let (root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    bench.add_paths(vec![root.path().to_owned()]);
    bench.wait_idle();
    assert_eq!(bench.photos().len(), 7);
}

#[test]
fn sidecars_say_what_was_confirmed_and_originals_stay_as_they_are() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    let original = fs::read(photos.join("chelsea.png")).unwrap();
    let cat = named(&bench, "chelsea.png").id;
    bench.decide(&[cat], "animal/cat", ReviewVerdict::Accept).unwrap();
    let options = bench.sidecar_options();
    let plan = bench.plan_sidecars(None, &options).unwrap();
    assert_eq!((plan.changed, plan.written, plan.plans[0].adds.as_slice()), (1, false, &["animal/cat".to_owned()][..]));
    assert!(!photos.join("chelsea.png.xmp").exists());
    assert!(bench.write_sidecars(None, &options).unwrap().written);
    let text = fs::read_to_string(photos.join("chelsea.png.xmp")).unwrap();
    assert!(text.contains("<rdf:li>animal|cat</rdf:li>") && text.contains("<rdf:li>animal/cat</rdf:li>"), "{text}");
    assert_eq!(bench.write_sidecars(None, &options).unwrap().changed, 0);
    assert_eq!(fs::read(photos.join("chelsea.png")).unwrap(), original);

    // What another program adds there comes in when it is asked for, and goes again with one undo.
    fs::write(
        photos.join("chelsea.png.xmp"),
        text.replace("<rdf:li>animal/cat</rdf:li>", "<rdf:li>animal/cat</rdf:li><rdf:li>pets</rdf:li>"),
    )
    .unwrap();
    let reading = bench.take_reading(None, false).unwrap();
    assert_eq!((reading.tags, reading.taken), (1, true));
    assert_eq!(bench.photo_records(&[cat]).unwrap()[0].tags, ["animal/cat", "pets"]);
    bench.undo().unwrap();
    assert_eq!(bench.photo_records(&[cat]).unwrap()[0].tags, ["animal/cat"]);
}

/// Seen in a review: the photo's first file was read again instead of the one that had changed.
#[test]
fn an_edited_copy_is_a_photo_of_its_own() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    fs::copy(photos.join("coffee.png"), photos.join("zz copy.png")).unwrap();
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    assert_eq!((bench.photos().len(), named(&bench, "coffee.png").files), (7, 2));
    fs::copy(root("tests/fixtures/embedded/photos/china.jpg"), photos.join("zz copy.png")).unwrap();
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    assert_eq!((bench.photos().len(), named(&bench, "coffee.png").files), (8, 1));
    let copy = named(&bench, "zz copy.png");
    assert_eq!((copy.state, copy.best.len()), (PhotoState::Labelled, 4));
    // A copy that breaks is a failure of its own, and the photo stays what it was.
    fs::copy(photos.join("coffee.png"), photos.join("zz third.png")).unwrap();
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    let broken = fs::read(photos.join("coffee.png")).unwrap();
    fs::write(photos.join("zz third.png"), &broken[..broken.len() / 2]).unwrap();
    bench.add_paths(vec![photos]);
    bench.wait_idle();
    assert_eq!(named(&bench, "coffee.png").state, PhotoState::Labelled);
    assert_eq!(bench.snapshot().failures.len(), 1);
}

/// Seen in a review: it was on the table, but never labelled.
#[test]
fn what_was_taken_out_and_is_added_again_is_labelled_and_found() {
    let (_root, photos, library) = folders();
    let (bench, _) = open(&library);
    bench.add_paths(vec![photos.clone()]);
    bench.wait_idle();
    let cat = named(&bench, "chelsea.png").id;
    let query = PhotoQuery { search: vec![text("a cat", 1.0)], past_cut: true, ..PhotoQuery::default() };
    assert_eq!(bench.photo_list(&query).unwrap().ids[0], cat);
    bench.remove(&[cat]).unwrap();
    assert!(!bench.photo_list(&query).unwrap().ids.contains(&cat));
    bench.add_paths(vec![photos.join("chelsea.png")]);
    bench.wait_idle();
    let back = named(&bench, "chelsea.png");
    assert_eq!((back.id, back.state, back.best.len()), (cat, PhotoState::Labelled, 4));
    assert_eq!(bench.photo_list(&query).unwrap().ids[0], cat);
}
