// The tabs of the Projection screen. Edits and Tune are the bias lab's (views/lab/); a tab is there when its view is.
import type { Component } from "svelte";
import type { ProjectionTab } from "../../state/projection.svelte";
import CompareTab from "./CompareTab.svelte";
import MatrixTab from "./MatrixTab.svelte";
import MeaningTab from "./MeaningTab.svelte";
import PlanesTab from "./PlanesTab.svelte";
import SpectrumTab from "./SpectrumTab.svelte";

const LAB = import.meta.glob<{ default: Component }>("../lab/{EditsView,TuneView}.svelte", { eager: true });

const VIEWS: readonly [ProjectionTab, Component | undefined][] = [
  ["edits", LAB["../lab/EditsView.svelte"]?.default],
  ["spectrum", SpectrumTab],
  ["matrix", MatrixTab],
  ["meaning", MeaningTab],
  ["planes", PlanesTab],
  ["compare", CompareTab],
  ["tune", LAB["../lab/TuneView.svelte"]?.default],
];

export const TABS = VIEWS.flatMap(([id, view]) => (view ? [{ id, view }] : []));
