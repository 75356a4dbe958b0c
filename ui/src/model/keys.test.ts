import { describe, expect, it } from "vitest";
import { chord, digitIndex, keycaps, SCREENS, shortcutFor, SHORTCUT_GROUPS, SHORTCUTS } from "./keys";

const press = (key: string, held: Partial<Record<"ctrlKey" | "metaKey" | "shiftKey" | "altKey", boolean>> = {}) => ({
  key, ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...held,
});

describe("chord", () => {
  it("means_ctrl_here_and_command_on_a_mac", () => {
    expect(chord(press("o", { ctrlKey: true }), false)).toBe("mod+o");
    expect(chord(press("o", { metaKey: true }), true)).toBe("mod+o");
    expect(chord(press("o", { metaKey: true }), false)).toBe("o");
  });
  it("names_shift_for_letters_only", () => {
    expect(chord(press("O", { ctrlKey: true, shiftKey: true }), false)).toBe("mod+shift+o");
    expect(chord(press("?", { shiftKey: true }), false)).toBe("?");
  });
  it("takes_backspace_for_delete", () => expect(shortcutFor(chord(press("Backspace"), true), "photos")).toBe("remove"));
  it("asks_the_screen_what_a_key_means", () => {
    expect(shortcutFor("delete", "models")).toBe("modelRemove");
    expect(shortcutFor("l", "models")).toBeNull();
    expect(["a", "r", "s", "space", "arrowright", "arrowleft", "u", "mod+z", "mod+shift+z"].map((pressed) => shortcutFor(pressed, "review"))).toEqual([
      "reviewAccept", "reviewReject", "reviewSkip", "reviewSkip", "reviewSkip", "reviewBack", "reviewUndo", "reviewUndo", "reviewRedo",
    ]);
    expect([shortcutFor("v", "photos"), shortcutFor("a", "photos")]).toEqual(["review", null]);
    expect([shortcutFor("/", "photos"), shortcutFor("mod+k", "models")]).toEqual(["find", "find"]);
  });
});

describe("the table", () => {
  it("lists_every_shortcut_once", () => {
    const listed = SHORTCUT_GROUPS.flatMap((group) => group.shortcuts);
    expect([...listed].sort()).toEqual(Object.keys(SHORTCUTS).sort());
  });
  it.each(SCREENS)("gives_no_key_two_meanings_on_the_screen_of_%s", (screen) => {
    const groups = SHORTCUT_GROUPS.filter((group) => group.screen === null || group.screen === screen);
    const chords = groups.flatMap((group) => group.shortcuts).flatMap((id): readonly string[] => SHORTCUTS[id]);
    expect(new Set(chords).size).toBe(chords.length);
  });
  it("counts_labels_from_one", () => expect([digitIndex("1"), digitIndex("9"), digitIndex("0")]).toEqual([0, 8, null]));
  it("prints_keys_as_they_are_on_the_keyboard", () => {
    expect(keycaps("mod+shift+o", false, "Space")).toEqual(["Ctrl", "Shift", "O"]);
    expect(keycaps("mod+space", true, "Space")).toEqual(["⌘", "Space"]);
  });
});
