//! Tags that leave the library: sidecars beside photos, planned, shown and written. Originals are never written to.
//!
//! One file that cannot be read or written never stops the rest. Where a person chose that the sidecar wins, or both, the
//! library follows in one step that can be undone.

use std::{collections::BTreeMap, path::Path};

use cliploupe_library::{
    LibraryError, clock, paths,
    sidecars::{self, Conflict, ConflictKind, Folder, Naming, Settle, Wanted},
    tags::{self, Decide, Origin, Verdict},
};

use super::{
    Workbench, lock,
    sidecar_files::{Agreed, Current, Job, Said, in_need, jobs, library_options, photos_of, problem_at},
};
use crate::{
    messages::{PhotoId, Problem, SidecarConflict, SidecarOptions, SidecarPlan, SidecarReport},
    shelf::Shelf,
};

/// Sidecars that a report shows at most; its counts are of all.
pub(super) const LISTED: usize = 200;
/// Files between two looks into the library.
pub(super) const AT_ONCE: usize = 500;

impl Workbench {
    /// How sidecars were written the last time.
    pub fn sidecar_options(&self) -> SidecarOptions {
        lock(&self.settings).sidecars.clone()
    }

    /// What writing the sidecars of these photos, or of all, would do. Nothing is written.
    pub fn plan_sidecars(&self, ids: Option<&[PhotoId]>, options: &SidecarOptions) -> Result<SidecarReport, Problem> {
        self.sidecars(ids, options, false)
    }

    /// Writes the sidecars of these photos, or of all, and remembers how.
    pub fn write_sidecars(&self, ids: Option<&[PhotoId]>, options: &SidecarOptions) -> Result<SidecarReport, Problem> {
        let report = self.sidecars(ids, options, true)?;
        if self.sidecar_options() != *options {
            self.remember(|settings| settings.sidecars = options.clone())?;
        }
        Ok(report)
    }

    /// Takes what a model said out of the sidecars of these photos, or of all: what stands under the root of suggestions.
    /// A person's tags stay as they are there.
    pub fn remove_machine_tags(&self, ids: Option<&[PhotoId]>) -> Result<SidecarReport, Problem> {
        let options = library_options(&self.sidecar_options())?;
        let jobs = self.shelf()?.read(|conn| jobs(conn, &photos_of(conn, ids)?))?;
        let mut writing = Writing::new(options, true);
        jobs.iter().for_each(|job| writing.remove_machine(job));
        Ok(writing.report)
    }

    fn sidecars(
        &self,
        ids: Option<&[PhotoId]>,
        options: &SidecarOptions,
        is_to_write: bool,
    ) -> Result<SidecarReport, Problem> {
        let shelf = self.shelf()?;
        let mut writing = Writing::new(library_options(options)?, is_to_write);
        if is_to_write {
            // A library that cannot be written could not remember what it agreed on, so it says so first.
            shelf.write(|_| Ok(()))?;
        }
        let with_suggestions = options.suggestions;
        let jobs = shelf.read(|conn| jobs(conn, &in_need(conn, ids, with_suggestions)?))?;
        for jobs in jobs.chunks(AT_ONCE) {
            let said = shelf.read(|conn| {
                let said = jobs.iter().map(|job| Said::of(conn, job.photo, with_suggestions));
                said.collect::<Result<Vec<_>, _>>()
            })?;
            jobs.iter().zip(&said).for_each(|(job, said)| writing.meet(job, said));
            writing.remember(shelf)?;
        }
        let changed = writing.follow(shelf)?;
        if !changed.is_empty() {
            self.decisions_changed(changed);
        }
        Ok(writing.report)
    }
}

/// Sidecars that are being planned, and written if that is asked for.
struct Writing {
    options: sidecars::Options,
    is_to_write: bool,
    current: Current,
    report: SidecarReport,
    /// What both sides agree on now.
    agreed: Vec<Agreed>,
    /// What they agree on once the library has followed.
    agreed_then: Vec<Agreed>,
    /// How it has to: photos by tag, and whether they get it.
    following: BTreeMap<(String, bool), Vec<PhotoId>>,
}

impl Writing {
    fn new(options: sidecars::Options, is_to_write: bool) -> Self {
        let report = SidecarReport {
            plans: Vec::new(),
            changed: 0,
            unchanged: 0,
            conflicts: 0,
            failed: Vec::new(),
            written: is_to_write,
        };
        Self {
            options,
            is_to_write,
            current: Current::default(),
            report,
            agreed: Vec::new(),
            agreed_then: Vec::new(),
            following: BTreeMap::new(),
        }
    }

    /// Takes a file in hand.
    fn meet(&mut self, job: &Job, said: &Said) {
        let Some(folder) = self.current.of(&job.path, &mut self.report.failed) else { return };
        let done = plan(&job.path, folder, said, &self.options).and_then(|plan| {
            self.carry_out(job, &plan)?;
            Ok(plan)
        });
        match done {
            Ok(plan) => self.note(job.photo, said, &plan),
            Err(error) => self.report.failed.push(problem_at(&job.path, &error)),
        }
    }

    /// Takes what a model said out of a photo's sidecars, under either name.
    fn remove_machine(&mut self, job: &Job) {
        let mut last = None;
        for naming in [Naming::NameExt, Naming::Name] {
            let Some(folder) = self.current.of(&job.path, &mut self.report.failed) else { return };
            let options = sidecars::Options { naming, ..self.options.clone() };
            let wanted = Wanted { machine: Some(&[]), ..Wanted::default() };
            let done = match sidecars::plan(&job.path, folder, &wanted, &options) {
                Ok(plan) if plan.before.is_none() || last.as_ref() == Some(&plan.path) => Ok(()),
                Ok(plan) => {
                    let done = self.carry_out(job, &plan);
                    last = Some(plan.path);
                    done
                }
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                // Of two sidecars the other one may be sound, and a single one is met under both names.
                let problem = problem_at(&job.path, &error);
                if self.report.failed.last() != Some(&problem) {
                    self.report.failed.push(problem);
                }
            }
        }
    }

    /// Writes a sidecar if that is asked for, and counts and shows it.
    fn carry_out(&mut self, job: &Job, plan: &sidecars::SidecarPlan) -> Result<(), LibraryError> {
        if self.is_to_write {
            plan.write()?;
        }
        let has_conflicts = !plan.conflicts.is_empty();
        let is_changed = !plan.is_unchanged();
        self.report.changed += u32::from(is_changed);
        self.report.unchanged += u32::from(!is_changed);
        self.report.conflicts += u32::from(has_conflicts);
        if (is_changed || has_conflicts) && self.report.plans.len() < LISTED {
            self.report.plans.push(told(job.photo, plan)?);
        }
        Ok(())
    }

    /// Keeps what is to be remembered of a sidecar that was written, or needed no writing.
    fn note(&mut self, photo: PhotoId, said: &Said, plan: &sidecars::SidecarPlan) {
        if !self.is_to_write || plan.after.is_none() {
            return;
        }
        let (tags, following) = settled(plan);
        let is_followed = !following.is_empty();
        for what in following {
            self.following.entry(what).or_default().push(photo);
        }
        let path = paths::to_bytes(&plan.path);
        if !is_followed && said.agreed.get(&path) == Some(&tags) {
            return;
        }
        let list = if is_followed { &mut self.agreed_then } else { &mut self.agreed };
        list.push(Agreed { photo, path, tags });
    }

    /// Remembers what is agreed so far.
    fn remember(&mut self, shelf: &Shelf) -> Result<(), Problem> {
        if self.agreed.is_empty() {
            return Ok(());
        }
        let agreed = std::mem::take(&mut self.agreed);
        shelf.write(|tx| Agreed::note(tx, &agreed, clock::now_ms()))
    }

    /// Changes the library to what the sidecars say, as far as that was chosen; which photos that changed.
    fn follow(&self, shelf: &Shelf) -> Result<Vec<PhotoId>, Problem> {
        if self.following.is_empty() {
            return Ok(Vec::new());
        }
        let now_ms = clock::now_ms();
        let decisions: Vec<Decide> = self
            .following
            .iter()
            .map(|((label, accepted), photos)| {
                let verdict = if *accepted { Verdict::Accept } else { Verdict::Clear };
                Decide { photos, label, verdict, origin: Origin::Sidecar, now_ms }
            })
            .collect();
        shelf.write(|tx| {
            tags::decide_together(tx, &decisions)?;
            Agreed::note(tx, &self.agreed_then, now_ms)
        })?;
        let mut changed: Vec<PhotoId> = self.following.values().flatten().copied().collect();
        changed.sort_unstable();
        changed.dedup();
        Ok(changed)
    }
}

/// What becomes of a file's sidecar.
fn plan(
    file: &Path,
    folder: &Folder,
    said: &Said,
    options: &sidecars::Options,
) -> Result<sidecars::SidecarPlan, LibraryError> {
    let wanted =
        Wanted { tags: &said.tags, rejected: &said.rejected, last_written: None, machine: said.machine.as_deref() };
    let plan = sidecars::plan(file, folder, &wanted, options)?;
    // Which sidecar it is, and so what was agreed with it, is known only by now.
    match said.agreed.get(&paths::to_bytes(&plan.path)) {
        Some(agreed) => sidecars::plan(file, folder, &Wanted { last_written: Some(agreed), ..wanted }, options),
        None => Ok(plan),
    }
}

/// What is agreed once conflicts are settled, and how the library has to follow: tags, and whether the photo gets them.
fn settled(plan: &sidecars::SidecarPlan) -> (Vec<String>, Vec<(String, bool)>) {
    let mut tags = plan.agreed.clone();
    let mut following = Vec::new();
    for Conflict { tag, kind, settled } in &plan.conflicts {
        match (settled, kind) {
            (Settle::KeepSidecar, ConflictKind::RemovedInSidecar) => {
                tags.retain(|other| other != tag);
                following.push((tag.clone(), false));
            }
            (Settle::KeepSidecar | Settle::Union, ConflictKind::RejectedInLibrary) => {
                tags.push(tag.clone());
                following.push((tag.clone(), true));
            }
            _ => {}
        }
    }
    (tags, following)
}

/// A plan as it crosses to the page.
fn told(photo: PhotoId, plan: &sidecars::SidecarPlan) -> Result<SidecarPlan, LibraryError> {
    let conflict = |conflict: &Conflict| SidecarConflict {
        tag: conflict.tag.clone(),
        in_library: conflict.kind == ConflictKind::RemovedInSidecar,
    };
    Ok(SidecarPlan {
        photo,
        path: plan.path.display().to_string(),
        exists: plan.before.is_some(),
        adds: plan.adds.clone(),
        removes: plan.removes.clone(),
        conflicts: plan.conflicts.iter().map(conflict).collect(),
        diff: plan.diff()?,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs};

    use cliploupe_library::xmp::MachineTag;

    use super::*;
    use crate::messages::OnConflict;

    fn said(tags: &[&str], rejected: &[&str]) -> Said {
        let own = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        Said { tags: own(tags), rejected: own(rejected), machine: None, agreed: HashMap::new() }
    }

    fn writing(on_conflict: OnConflict, is_to_write: bool) -> Writing {
        Writing::new(
            library_options(&SidecarOptions { on_conflict, ..SidecarOptions::default() }).unwrap(),
            is_to_write,
        )
    }

    fn agree(said: &mut Said, writing: &Writing) {
        let agreed = writing.agreed.last().unwrap();
        said.agreed.insert(agreed.path.clone(), agreed.tags.clone());
    }

    #[test]
    fn a_plan_writes_nothing_and_writing_it_twice_changes_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { path: folder.path().join("a.jpg"), photo: 1 };
        fs::write(&job.path, "a photo").unwrap();
        let mut said = said(&["animal/dog"], &[]);
        let mut planned = writing(OnConflict::Ask, false);
        planned.meet(&job, &said);
        assert_eq!((planned.report.changed, planned.agreed.len()), (1, 0));
        assert!(planned.report.plans[0].diff.contains("animal|dog"), "{:?}", planned.report.plans);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut first = writing(OnConflict::Ask, true);
        first.meet(&job, &said);
        assert!(folder.path().join("a.jpg.xmp").is_file());
        agree(&mut said, &first);
        let mut second = writing(OnConflict::Ask, true);
        second.meet(&job, &said);
        assert_eq!((second.report.changed, second.report.unchanged, second.agreed.len()), (0, 1, 0));
        assert_eq!(fs::read(&job.path).unwrap(), b"a photo");
    }

    #[test]
    fn a_tag_that_somebody_took_out_of_the_sidecar_is_asked_about_and_the_library_follows_only_if_told() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { path: folder.path().join("a.jpg"), photo: 1 };
        fs::write(&job.path, "a photo").unwrap();
        let mut said = said(&["dog"], &[]);
        let mut first = writing(OnConflict::Ask, true);
        first.meet(&job, &said);
        agree(&mut said, &first);
        let sidecar = folder.path().join("a.jpg.xmp");
        let text = fs::read_to_string(&sidecar).unwrap().replace("<rdf:li>dog</rdf:li>", "");
        fs::write(&sidecar, &text).unwrap();
        let mut asked = writing(OnConflict::Ask, true);
        asked.meet(&job, &said);
        assert_eq!((asked.report.conflicts, asked.report.changed, asked.following.len()), (1, 0, 0));
        assert!(asked.report.plans[0].conflicts[0].in_library);
        let mut led = writing(OnConflict::Sidecar, true);
        led.meet(&job, &said);
        assert_eq!(led.following, BTreeMap::from([(("dog".to_owned(), false), vec![1])]));
        assert!(led.agreed.is_empty() && led.agreed_then[0].tags.is_empty());
    }

    #[test]
    fn what_a_model_said_leaves_all_sidecars_and_a_persons_tags_stay() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { path: folder.path().join("a.jpg"), photo: 1 };
        fs::write(&job.path, "a photo").unwrap();
        let tag = |tag: &str| MachineTag {
            tag: tag.into(),
            model: "m-1".into(),
            prompt: "a cat".into(),
            score: 0.5,
            probability: 0.75,
            suggested_ms: 5,
        };
        let with_machine = Said { machine: Some(vec![tag("cat")]), ..said(&["dog"], &[]) };
        writing(OnConflict::Ask, true).meet(&job, &with_machine);
        let sidecars = ["a.jpg.xmp", "a.xmp"].map(|name| folder.path().join(name));
        fs::copy(&sidecars[0], &sidecars[1]).unwrap();
        let mut removing = writing(OnConflict::Ask, true);
        removing.remove_machine(&job);
        assert_eq!((removing.report.changed, removing.report.failed.len()), (2, 0));
        for sidecar in sidecars {
            let text = fs::read_to_string(&sidecar).unwrap();
            assert!(text.contains("dog") && !text.contains("cat"), "{text}");
        }
    }

    #[test]
    fn a_sidecar_that_is_none_is_told_of_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (bad, good) = (folder.path().join("a.jpg"), folder.path().join("b.jpg"));
        fs::write(folder.path().join("a.jpg.xmp"), "no XML").unwrap();
        let mut writing = writing(OnConflict::Ask, true);
        for path in [bad, good] {
            fs::write(&path, "a photo").unwrap();
            writing.meet(&Job { path, photo: 1 }, &said(&["dog"], &[]));
        }
        assert_eq!((writing.report.failed.len(), writing.report.changed), (1, 1));
        assert_eq!(fs::read_to_string(folder.path().join("a.jpg.xmp")).unwrap(), "no XML");
    }
}
