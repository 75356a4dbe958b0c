//! Sidecars between Cliploupe and other programs: read as ExifTool writes them, merged so that ExifTool and exiv2 (which
//! digiKam and darktable use) read the union and everything else unchanged, and never written against somebody else.

use crate::exiftool::{exiftool, xmp_of};
use cliploupe_library::{
    LibraryError,
    sidecars::{ConflictKind, Fields, Folder, Naming, Options, Settle, SidecarPlan, Wanted, plan, read},
    xmp::{Keywords, MachineTag, ROOT, Xmp},
};
use proptest::prelude::*;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn own(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

fn machine(tag: &str) -> MachineTag {
    MachineTag {
        tag: tag.into(),
        model: "ViT-B-32-laion2b".into(),
        prompt: format!("a photo of \"{tag}\""),
        score: 3.25,
        probability: 0.875,
        suggested_ms: 1_785_931_200_123,
    }
}

/// A folder with a photo, and the sidecar beside it.
struct Scene {
    folder: TempDir,
    photo: PathBuf,
    sidecar: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("photo.jpg");
        fs::write(&photo, "the original").unwrap();
        let sidecar = folder.path().join("photo.jpg.xmp");
        Self { folder, photo, sidecar }
    }

    fn with(text: impl AsRef<[u8]>) -> Self {
        let scene = Self::new();
        fs::write(&scene.sidecar, text).unwrap();
        scene
    }

    fn try_plan(&self, wanted: &Wanted, options: &Options) -> Result<SidecarPlan, LibraryError> {
        plan(&self.photo, &Folder::read(self.folder.path()).unwrap(), wanted, options)
    }

    fn plan(&self, wanted: &Wanted) -> SidecarPlan {
        self.try_plan(wanted, &Options::default()).unwrap()
    }

    fn tags(&self) -> Vec<String> {
        let mut read = read(&self.photo, &Folder::read(self.folder.path()).unwrap(), ROOT).unwrap();
        read.pop().map(|sidecar| sidecar.tags).unwrap_or_default()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.sidecar).unwrap()
    }
}

fn wanted(tags: &[String]) -> Wanted<'_> {
    Wanted { tags, ..Wanted::default() }
}

/// As Lightroom and Camera Raw write it: properties as attributes, histories and lists as elements.
const LIGHTROOM: &str =
    "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00        \">
 <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">
  <rdf:Description rdf:about=\"\"
    xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"
    xmlns:xmpMM=\"http://ns.adobe.com/xap/1.0/mm/\"
    xmlns:stEvt=\"http://ns.adobe.com/xap/1.0/sType/ResourceEvent#\"
    xmlns:dc=\"http://purl.org/dc/elements/1.1/\"
    xmlns:lr=\"http://ns.adobe.com/lightroom/1.0/\"
    xmlns:crs=\"http://ns.adobe.com/camera-raw-settings/1.0/\"
   xmp:Rating=\"3\"
   xmpMM:DocumentID=\"xmp.did:1\"
   crs:Exposure2012=\"+0.50\"
   crs:Look='It&apos;s'>
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li
      stEvt:action=\"saved\"
      stEvt:changed=\"/metadata\"/>
    </rdf:Seq>
   </xmpMM:History>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>animal</rdf:li>
     <rdf:li>dog</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>animal|dog</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
   <crs:ToneCurvePV2012>
    <rdf:Seq>
     <rdf:li>0, 0</rdf:li>
     <rdf:li>255, 255</rdf:li>
    </rdf:Seq>
   </crs:ToneCurvePV2012>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
";

/// As darktable writes it, with its own tags among the words, and edits as a list of structures.
const DARKTABLE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"XMP Core 4.4.0-Exiv2\">
 <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">
  <rdf:Description rdf:about=\"\"
    xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\"
    xmlns:dc=\"http://purl.org/dc/elements/1.1/\"
    xmlns:lr=\"http://ns.adobe.com/lightroom/1.0/\"
    xmlns:darktable=\"http://darktable.sf.net/\"
   xmp:Rating=\"1\"
   darktable:xmp_version=\"5\"
   darktable:history_end=\"2\">
   <dc:subject>
    <rdf:Seq>
     <rdf:li>darktable</rdf:li>
     <rdf:li>sea</rdf:li>
    </rdf:Seq>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Seq>
     <rdf:li>darktable|format|nef</rdf:li>
     <rdf:li>place|sea</rdf:li>
    </rdf:Seq>
   </lr:hierarchicalSubject>
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num=\"0\"
      darktable:operation=\"exposure\"
      darktable:params=\"gz02eJxjYGBgAAAABAAB\"/>
     <rdf:li
      darktable:num=\"1\"
      darktable:operation=\"sharpen\"
      darktable:params=\"000000400000003f0000003f\"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
";

/// As digiKam writes it: every list that anybody reads.
const DIGIKAM: &str = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>
<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"XMP Core 4.4.0-Exiv2\">
 <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">
  <rdf:Description rdf:about=\"\"
    xmlns:digiKam=\"http://www.digikam.org/ns/1.0/\"
    xmlns:MicrosoftPhoto=\"http://ns.microsoft.com/photo/1.0/\"
    xmlns:lr=\"http://ns.adobe.com/lightroom/1.0/\"
    xmlns:mediapro=\"http://ns.iview-multimedia.com/mediapro/1.0/\"
    xmlns:acdsee=\"http://ns.acdsee.com/iptc/1.0/\"
    xmlns:dc=\"http://purl.org/dc/elements/1.1/\"
   digiKam:PickLabel=\"3\"
   acdsee:categories=\"&lt;Categories&gt;&lt;Category Assigned=&quot;0&quot;&gt;People&lt;Category Assigned=&quot;1&quot;&gt;Anna &amp;amp; Ben&lt;/Category&gt;&lt;/Category&gt;&lt;/Categories&gt;\">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>People/Anna &amp; Ben</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
   <MicrosoftPhoto:LastKeywordXMP>
    <rdf:Bag>
     <rdf:li>People/Anna &amp; Ben</rdf:li>
    </rdf:Bag>
   </MicrosoftPhoto:LastKeywordXMP>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>People|Anna &amp; Ben</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
   <mediapro:CatalogSets>
    <rdf:Bag>
     <rdf:li>People|Anna &amp; Ben</rdf:li>
    </rdf:Bag>
   </mediapro:CatalogSets>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Anna &amp; Ben</rdf:li>
    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end=\"w\"?>";

#[test]
fn what_exiftool_writes_is_read() {
    let scene = Scene::new();
    let arguments = [
        "-XMP-dc:Subject=dog",
        "-XMP-dc:Subject=<déjà> & vu",
        "-XMP-lr:HierarchicalSubject=animal|dog",
        "-XMP-digiKam:TagsList=animal/dog",
        "-XMP-digiKam:TagsList=place/sea",
        "-XMP-microsoft:LastKeywordXMP=year/2026",
        "-XMP-mediapro:CatalogSets=set|one",
        "-XMP:Rating=4",
        "-XMP-crs:Exposure2012=1.5",
    ];
    exiftool(&arguments, &[&scene.sidecar]);
    let read = read(&scene.photo, &Folder::read(scene.folder.path()).unwrap(), ROOT).unwrap();
    assert_eq!(read[0].tags, ["animal/dog", "place/sea", "year/2026", "set/one", "<déjà> & vu"]);
    assert_eq!(read[0].rating, Some(4));
    // Nothing to add: nothing changes, though ExifTool writes quotes and lines in its own way.
    assert!(scene.plan(&wanted(&[])).is_unchanged());
}

#[test]
fn exiftool_and_exiv2_read_the_union_and_everything_else_unchanged() {
    let made_by_exiftool = {
        let scene = Scene::new();
        let arguments = [
            "-XMP-dc:Subject=sea",
            "-XMP:Rating=4",
            "-XMP-crs:Exposure2012=1.5",
            "-XMP-dc:Title-fr=La mer",
            "-XMP-xmpMM:History={action=saved,changed=/}",
        ];
        exiftool(&arguments, &[&scene.sidecar]);
        scene.bytes()
    };
    let tags = own(&["animal/dog", "AC∕DC", "a<b>&\"c\"/d'e"]);
    for before in [made_by_exiftool.as_slice(), LIGHTROOM.as_bytes(), DARKTABLE.as_bytes(), DIGIKAM.as_bytes()] {
        let scene = Scene::with(before);
        let (mut expected, before_tags) = (xmp_of(&scene.sidecar), scene.tags());
        let suggestions = [machine("animal/cat"), machine("animal/dog")];
        let plan = scene.plan(&Wanted { machine: Some(&suggestions), ..wanted(&tags) });
        assert!(plan.write().unwrap());
        let mut now = xmp_of(&scene.sidecar);
        let mut union = |name: &str, new: &[&str]| {
            let old = expected.remove(name).unwrap_or(json!([]));
            let mut words: Vec<String> = serde_json::from_value(old).unwrap();
            new.iter().for_each(|&word| {
                if !words.contains(&word.into()) {
                    words.push(word.into())
                }
            });
            assert_eq!(now.remove(name), Some(json!(words)), "{name}");
        };
        union("XMP-dc:Subject", &["dog", "AC/DC", "d'e"]);
        union("XMP-lr:HierarchicalSubject", &["animal|dog", "AC/DC", "a<b>&\"c\"|d'e", "Cliploupe|animal|cat"]);
        union("XMP-digiKam:TagsList", &["animal/dog", "AC∕DC", "a<b>&\"c\"/d'e", "Cliploupe/animal/cat"]);
        // What a person has confirmed is not suggested.
        let suggested = now.remove("XMP-cliploupe:Suggestions");
        assert_eq!(
            suggested,
            Some(
                json!([{"Tag": "animal/cat", "Model": "ViT-B-32-laion2b", "Prompt": "a photo of \"animal/cat\"", "Score": 3.25, "Probability": 0.875, "Date": "2026:08:05 12:00:00.123Z"}])
            )
        );
        assert_eq!(now, expected, "what is not ours");
        // We read the union too.
        let mut union = before_tags.clone();
        union.extend(tags.iter().filter(|tag| !before_tags.contains(tag)).cloned());
        let (mut read, mut union) = (scene.tags(), union);
        read.sort();
        union.sort();
        assert_eq!(read, union);
        let exiv2 =
            Command::new("exiv2").args(["-PXt", "-K", "Xmp.lr.hierarchicalSubject", "pr"]).arg(&scene.sidecar).output();
        let exiv2 = String::from_utf8(exiv2.expect("exiv2 runs (package exiv2)").stdout).unwrap();
        assert!(exiv2.contains("animal|dog, AC/DC, a<b>&\"c\"|d'e, Cliploupe|animal|cat"), "{exiv2}");
    }
}

#[test]
fn only_the_lists_change_in_what_other_programs_wrote() {
    let lists = [
        "dc:subject",
        "lr:hierarchicalSubject",
        "digiKam:TagsList",
        "MicrosoftPhoto:LastKeywordXMP",
        "mediapro:CatalogSets",
    ];
    // Without the lists and without our own Description nothing differs.
    let bare = |text: &str| {
        let mut text = text.to_owned();
        let mut cut = |open: &str, close: &str| {
            while let Some(start) = text.find(open) {
                let end = start + text[start..].find(close).unwrap() + close.len();
                let start = text[..start].trim_end().len();
                text.replace_range(start..end, "");
            }
        };
        cut("<rdf:Description rdf:about=\"\" xmlns:cliploupe", "</rdf:Description>");
        lists.iter().for_each(|list| cut(&format!("<{list}"), &format!("</{list}>")));
        text
    };
    for before in [LIGHTROOM, DARKTABLE, DIGIKAM] {
        let scene = Scene::with(before);
        let tags = own(&["animal/dog", "new/tag"]);
        let suggestions = [machine("animal/cat")];
        let all = Fields { microsoft: true, mediapro: true, ..Fields::default() };
        let options = Options { fields: all, machine_in_subject: true, ..Options::default() };
        let plan = scene.try_plan(&Wanted { machine: Some(&suggestions), ..wanted(&tags) }, &options).unwrap();
        assert!(plan.write().unwrap());
        let after = String::from_utf8(scene.bytes()).unwrap();
        assert_ne!(after, before);
        assert_eq!(bare(&after), bare(before));
        // Inside of a list, too, only lines come in.
        let diff = plan.diff().unwrap();
        let removed: Vec<&str> =
            diff.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
        assert!(removed.is_empty(), "{diff}");
    }
    // Where Lightroom's lists have all that is new, the rest is the same to the byte before and behind them.
    let scene = Scene::with(LIGHTROOM);
    let tags = own(&["animal/dog", "new"]);
    let fields = Fields { tags_list: false, ..Fields::default() };
    scene.try_plan(&wanted(&tags), &Options { fields, ..Options::default() }).unwrap().write().unwrap();
    let expected = LIGHTROOM
        .replace("<rdf:li>dog</rdf:li>", "<rdf:li>dog</rdf:li>\n     <rdf:li>new</rdf:li>")
        .replace("<rdf:li>animal|dog</rdf:li>", "<rdf:li>animal|dog</rdf:li>\n     <rdf:li>new</rdf:li>");
    assert_eq!(String::from_utf8(scene.bytes()).unwrap(), expected);
}

#[test]
fn writing_twice_changes_no_byte() {
    for before in [None, Some(LIGHTROOM), Some(DARKTABLE), Some(DIGIKAM)] {
        let scene = before.map_or_else(Scene::new, Scene::with);
        let (tags, suggestions) = (own(&["animal/dog", "x"]), [machine("animal/cat"), machine("sea")]);
        let wanted = Wanted { machine: Some(&suggestions), ..wanted(&tags) };
        let first = scene.plan(&wanted);
        assert!(first.write().unwrap());
        let second = scene.plan(&Wanted { last_written: Some(&first.agreed), ..wanted });
        assert!(second.is_unchanged() && second.adds.is_empty() && second.conflicts.is_empty());
        assert_eq!(second.diff().unwrap(), "");
        assert!(!second.write().unwrap());
        assert_eq!(scene.bytes(), first.after.unwrap());
    }
}

#[test]
fn machine_tags_go_in_one_step_and_leave_the_bytes_from_before() {
    for before in [LIGHTROOM, DARKTABLE, DIGIKAM] {
        let scene = Scene::with(before);
        let suggestions = [machine("animal/cat"), machine("place/sky")];
        let options = Options { machine_in_subject: true, ..Options::default() };
        let plan = scene.try_plan(&Wanted { machine: Some(&suggestions), ..Wanted::default() }, &options).unwrap();
        assert_eq!((&plan.machine, &plan.adds), (&own(&["animal/cat", "place/sky"]), &own(&[])));
        assert!(plan.write().unwrap());
        let tags_then = scene.tags();
        let without = Xmp::parse(&scene.bytes()).unwrap().without_machine_tags(ROOT).unwrap();
        assert_eq!(String::from_utf8(without).unwrap(), before);
        // The same by way of a plan.
        assert!(scene.plan(&Wanted { machine: Some(&[]), ..Wanted::default() }).write().unwrap());
        assert_eq!(String::from_utf8(scene.bytes()).unwrap(), before);
        assert_eq!(scene.tags(), tags_then, "machine tags are never a person's");
    }
}

#[test]
fn deleted_tags_stay_deleted_and_conflicts_are_shown() {
    let scene = Scene::new();
    let tags = own(&["animal/dog", "sea"]);
    let first = scene.plan(&wanted(&tags));
    first.write().unwrap();
    // Somebody takes one away in another program, and adds two, one of which was rejected here.
    exiftool(
        &[
            "-XMP-dc:Subject-=sea",
            "-XMP-lr:HierarchicalSubject-=sea",
            "-XMP-digiKam:TagsList-=sea",
            "-XMP-dc:Subject+=cat",
            "-XMP-dc:Subject+=sky",
        ],
        &[&scene.sidecar],
    );
    let (tags, rejected) = (own(&["sea", "new"]), own(&["cat", "animal/dog"]));
    let wanted = Wanted { tags: &tags, rejected: &rejected, last_written: Some(&first.agreed), machine: None };
    let second = scene.plan(&wanted);
    let conflicts: Vec<_> = second.conflicts.iter().map(|conflict| (conflict.tag.as_str(), conflict.kind)).collect();
    assert_eq!(conflicts, [("sea", ConflictKind::RemovedInSidecar), ("cat", ConflictKind::RejectedInLibrary)]);
    assert_eq!((&second.adds, &second.removes), (&own(&["new"]), &own(&["animal/dog"])));
    second.write().unwrap();
    assert_eq!(scene.tags(), ["new", "cat", "sky"]);
    // Nobody settled them, so they are there again.
    let third = scene.plan(&Wanted { last_written: Some(&second.agreed), ..wanted });
    assert_eq!((&third.conflicts, third.is_unchanged()), (&second.conflicts, true));
    let options = Options { settle: Settle::KeepLibrary, ..Options::default() };
    let settled = scene.try_plan(&Wanted { last_written: Some(&second.agreed), ..wanted }, &options).unwrap();
    settled.write().unwrap();
    assert_eq!(scene.tags(), ["new", "sea", "sky"]);
    let after = scene.plan(&Wanted { last_written: Some(&settled.agreed), ..wanted });
    assert!(after.conflicts.is_empty() && after.is_unchanged());
    // A sidecar that is gone says nothing about tags.
    fs::remove_file(&scene.sidecar).unwrap();
    let anew = scene.plan(&Wanted { last_written: Some(&settled.agreed), ..wanted });
    assert_eq!((anew.adds, anew.conflicts), (tags, vec![]));
}

#[test]
fn a_new_sidecar_is_valid_and_nothing_is_made_of_nothing() {
    let scene = Scene::new();
    let nothing = scene.plan(&Wanted { machine: Some(&[]), ..Wanted::default() });
    assert!(nothing.after.is_none() && !nothing.write().unwrap());
    let tags = own(&["animal/dog", "sea"]);
    let options = Options { naming: Naming::Name, ..Options::default() };
    let plan = scene.try_plan(&wanted(&tags), &options).unwrap();
    assert!(plan.write().unwrap());
    let sidecar = scene.folder.path().join("photo.xmp");
    let expected = json!({
        "XMP-dc:Subject": ["dog", "sea"],
        "XMP-lr:HierarchicalSubject": ["animal|dog", "sea"],
        "XMP-digiKam:TagsList": ["animal/dog", "sea"],
    });
    assert_eq!(json!(xmp_of(&sidecar)), expected);
    assert_eq!(exiftool(&["-validate", "-warning", "-s3"], &[&sidecar]).trim(), "OK");
    assert!(plan.diff().unwrap().starts_with("--- photo.xmp\n+++ photo.xmp\n@@ -0,0 +1,"));
    assert_eq!(fs::read(&scene.photo).unwrap(), b"the original");
    assert_eq!(fs::read_dir(scene.folder.path()).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn a_file_that_changed_meanwhile_is_not_overwritten() {
    let tags = own(&["a"]);
    let is_refused =
        |plan: &SidecarPlan| matches!(plan.write(), Err(LibraryError::Refused(why)) if why.contains("meanwhile"));
    let scene = Scene::with(LIGHTROOM);
    let plan = scene.plan(&wanted(&tags));
    fs::write(&scene.sidecar, DARKTABLE).unwrap();
    assert!(is_refused(&plan));
    fs::remove_file(&scene.sidecar).unwrap();
    assert!(plan.write().is_err());
    let fresh = scene.plan(&wanted(&tags));
    fs::write(&scene.sidecar, DARKTABLE).unwrap();
    assert!(is_refused(&fresh));
    assert_eq!(scene.bytes(), DARKTABLE.as_bytes());
}

#[test]
fn what_is_no_xmp_is_left_alone() {
    let tags = own(&["a"]);
    let bad: [&[u8]; 6] =
        [b"<html/>", b"hello", b"<x", b"\xff\xfe<", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", &[b' '; 17 << 20]];
    for bytes in bad {
        let scene = Scene::with(bytes);
        assert!(matches!(scene.try_plan(&wanted(&tags), &Options::default()), Err(LibraryError::Sidecar { .. })));
        assert!(read(&scene.photo, &Folder::read(scene.folder.path()).unwrap(), ROOT).is_err());
        assert_eq!(scene.bytes(), bytes);
    }
    // An empty file, as a full disk leaves behind, has nothing to lose.
    let scene = Scene::with("");
    assert!(scene.plan(&wanted(&[])).is_unchanged());
    scene.plan(&wanted(&tags)).write().unwrap();
    assert_eq!(scene.tags(), tags);
}

#[cfg(unix)]
#[test]
fn permissions_stay_links_are_followed_and_originals_are_safe() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let tags = own(&["a"]);
    let scene = Scene::with(LIGHTROOM);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&scene.sidecar, fs::Permissions::from_mode(0o640)).unwrap();
    scene.plan(&wanted(&tags)).write().unwrap();
    assert_eq!(mode(&scene.sidecar), 0o640);
    // A sidecar that may not be written is not replaced either.
    fs::set_permissions(&scene.sidecar, fs::Permissions::from_mode(0o440)).unwrap();
    let before = scene.bytes();
    let more = own(&["a", "b"]);
    assert!(matches!(scene.plan(&wanted(&more)).write(), Err(LibraryError::SidecarNotWritable { .. })));
    assert_eq!(scene.bytes(), before);
    // A link stays a link.
    let scene = Scene::new();
    let elsewhere = scene.folder.path().join("elsewhere.xmp");
    fs::write(&elsewhere, DARKTABLE).unwrap();
    symlink(&elsewhere, &scene.sidecar).unwrap();
    scene.plan(&wanted(&tags)).write().unwrap();
    assert!(fs::symlink_metadata(&scene.sidecar).unwrap().is_symlink());
    assert!(fs::read_to_string(&elsewhere).unwrap().contains("<rdf:li>a</rdf:li>"));
    // But not where it leads to an original.
    let scene = Scene::new();
    fs::write(&scene.photo, DARKTABLE).unwrap();
    symlink(&scene.photo, &scene.sidecar).unwrap();
    assert!(matches!(scene.plan(&wanted(&tags)).write(), Err(LibraryError::Refused(_))));
    assert_eq!(fs::read(&scene.photo).unwrap(), DARKTABLE.as_bytes());
    // New files are as everybody's new files.
    let scene = Scene::new();
    scene.plan(&wanted(&tags)).write().unwrap();
    fs::write(scene.folder.path().join("plain"), "").unwrap();
    assert_eq!(mode(&scene.sidecar), mode(&scene.folder.path().join("plain")));
}

/// Keywords that programs and people come up with.
fn keyword() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(own(&[
            "dog",
            "animal",
            "animal|dog",
            "a/b",
            "",
            " ",
            "é",
            "]]>",
            "&amp;",
            "Cliploupe",
            "x\ty\r\nz",
            "\u{feff}"
        ])),
        "[a-c|/ <>&'\"\\PC]{0,6}",
    ]
}

fn keywords() -> impl Strategy<Value = Keywords> {
    let list = || prop::collection::vec(keyword(), 0..6);
    (list(), list(), list(), list(), list()).prop_map(|(subject, hierarchical, tags_list, microsoft, mediapro)| {
        Keywords { subject, hierarchical, tags_list, microsoft, mediapro }
    })
}

/// Properties of others, in the forms that they have.
fn foreign() -> impl Strategy<Value = String> {
    let part = prop::sample::select(own(&[
        "<f:a>x</f:a>",
        "\n   <f:b\n f:c='1'  ><rdf:Bag><rdf:li>dc:subject</rdf:li></rdf:Bag></f:b >",
        "<!-- <dc:subject> -->",
        "<f:d><![CDATA[<dc:subject>]]></f:d>\t",
        "<?pi dc:subject?>",
        "<f:e rdf:parseType='Resource'>\r\n<f:subject>&#x41;</f:subject></f:e>",
    ]));
    prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
}

fn names(pattern: &'static str) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(pattern, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_keywords_come_back_and_what_is_foreign_stays(first in keywords(), second in keywords(), before in foreign(), behind in foreign()) {
        let mark = "<f:mark/>";
        let text = format!(
            "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns:f='urn:f'><rdf:Description f:x=\"y\">{before}{mark}{behind}\
             </rdf:Description></rdf:RDF>"
        );
        let xmp = Xmp::parse(text.as_bytes()).unwrap();
        let one = xmp.with_keywords(&first).unwrap();
        let one = Xmp::parse(&one).unwrap();
        prop_assert_eq!(one.keywords(), first);
        let two = Xmp::parse(&one.with_keywords(&second).unwrap()).unwrap();
        prop_assert_eq!(&two.keywords(), &second);
        prop_assert_eq!(two.with_keywords(&second).unwrap(), two.text().as_bytes());
        prop_assert_eq!(two.with_keywords(&Keywords::default()).unwrap(), text.as_bytes());
    }

    #[test]
    fn the_sidecar_has_exactly_the_tags_that_the_plan_says(
        library in names("[a-d∕|]{1,2}(/[a-d]{1,2}){0,2}"), rejected in names("[a-d]{1,2}"), agreed in prop::option::of(names("[a-d]{1,2}(/[a-d]{1,2}){0,2}")), theirs in keywords(),
    ) {
        let scene = Scene::with(Xmp::blank().with_keywords(&theirs).unwrap());
        let before = scene.tags();
        let library: Vec<String> = library.into_iter().filter(|tag| !rejected.contains(tag)).collect();
        let wanted = Wanted { tags: &library, rejected: &rejected, last_written: agreed.as_deref(), machine: None };
        let plan = scene.plan(&wanted);
        // Not by `write`, whose waiting for the disk would take seconds here.
        fs::write(&scene.sidecar, plan.after.as_ref().unwrap()).unwrap();
        let mut expected: Vec<String> = before.iter().filter(|tag| !plan.removes.contains(tag)).chain(&plan.adds).cloned().collect();
        let mut tags = scene.tags();
        tags.sort();
        expected.sort();
        // A word that is also a name in a new path is no tag of its own any more.
        let is_covered = |tag: &String| plan.adds.iter().chain(&before).any(|path| path != tag && path.split('/').any(|name| name == tag));
        let differ: Vec<&String> = expected.iter().filter(|tag| !tags.contains(tag)).collect();
        prop_assert!(differ.iter().all(|tag| is_covered(tag)), "lost {:?}", differ);
        prop_assert!(tags.iter().all(|tag| expected.contains(tag)), "{:?} has more than {:?}", tags, expected);
        let again = scene.plan(&Wanted { last_written: Some(&plan.agreed), ..wanted });
        prop_assert!(again.is_unchanged(), "{}", again.diff().unwrap());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), hits in prop::collection::vec((any::<prop::sample::Index>(), "[<>/&;:='\"!\\[\\]?x -]{0,3}"), 1..6), which in 0_usize..3) {
        let _ = Xmp::parse(&bytes);
        let mut text = [LIGHTROOM, DARKTABLE, DIGIKAM][which].to_owned();
        for (place, new) in hits {
            let place = place.index(text.len());
            if text.is_char_boundary(place) && text.is_char_boundary(place + 1) {
                text.replace_range(place..place + 1, &new);
            }
        }
        if let Ok(xmp) = Xmp::parse(text.as_bytes()) {
            let keywords = Keywords { subject: own(&["new"]), ..xmp.keywords() };
            xmp.machine_tags();
            xmp.categories();
            if let Ok(changed) = xmp.with_keywords(&keywords) {
                prop_assert_eq!(Xmp::parse(&changed).unwrap().keywords(), keywords);
            }
        }
    }
}
