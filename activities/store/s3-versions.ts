import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import type { ObjectVersion } from './store.ts';

/**
 * The versions and delete markers of a page by key, in the page's order of keys, each key's newest first.
 *
 * S3 lists versions newest first; versions and markers come in two lists, merged here by their time. Where the times are
 * equal (whole seconds) the latest goes first and a marker before a version; the order of versions among themselves is
 * the server's and always right.
 *
 * @param before - versions of the first key, from the page before.
 */
export function groupVersions(page: ListObjectVersionsCommandOutput, prefixLength: number, before: ObjectVersion[]): ObjectVersion[][] {
  const versions = (page.Versions ?? []).map((found) => readVersion(found, prefixLength, false));
  const markers = (page.DeleteMarkers ?? []).map((found) => readVersion(found, prefixLength, true));
  const groups = new Map<string, ObjectVersion[]>();
  if (before.length > 0) groups.set(before[0]!.key, before);
  let m = 0;
  const isBefore = (marker: ObjectVersion, version: ObjectVersion): boolean => {
    if (marker.key !== version.key) return compare(marker.key, version.key) < 0;
    if (marker.modifiedAt !== version.modifiedAt) return marker.modifiedAt > version.modifiedAt;
    return !version.isLatest;
  };
  const add = (version: ObjectVersion): void => {
    const group = groups.get(version.key);
    if (group) group.push(version);
    else groups.set(version.key, [version]);
  };
  for (const version of versions) {
    while (m < markers.length && isBefore(markers[m]!, version)) add(markers[m++]!);
    add(version);
  }
  for (; m < markers.length; m += 1) add(markers[m]!);
  return [...groups.values()];
}

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function readVersion(
  found: { Key?: string; VersionId?: string; Size?: number; IsLatest?: boolean; LastModified?: Date },
  prefixLength: number,
  isDeleteMarker: boolean,
): ObjectVersion {
  return {
    key: (found.Key ?? '').slice(prefixLength),
    versionId: found.VersionId ?? '',
    bytes: found.Size ?? 0,
    isLatest: found.IsLatest ?? false,
    isDeleteMarker,
    modifiedAt: (found.LastModified ?? new Date(0)).toISOString(),
  };
}
