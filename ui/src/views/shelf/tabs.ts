// The tabs of the Library screen.
import type { Component } from "svelte";
import type { ShelfTab } from "../../state/shelf.svelte";
import FoldersTab from "./FoldersTab.svelte";
import HealthTab from "./HealthTab.svelte";
import NearTab from "./NearTab.svelte";
import OutliersTab from "./OutliersTab.svelte";
import SidecarsTab from "./SidecarsTab.svelte";

export const VIEWS: Record<ShelfTab, Component> = { folders: FoldersTab, near: NearTab, outliers: OutliersTab, sidecars: SidecarsTab, health: HealthTab };
