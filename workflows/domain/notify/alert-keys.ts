/** What one alert is, to a receiver that opens and closes them: PagerDuty’s `dedup_key`. */
export const alertKeys = {
  run: (system: string, run: string) => `holdfast/${system}/run/${run}`,
  waiting: (system: string, run: string, subject: string) => `holdfast/${system}/run/${run}/${subject}`,
  backup: (system: string) => `holdfast/${system}/backup`,
  verification: (system: string, scope: string) => `holdfast/${system}/verification/${scope}`,
  schedule: (id: string) => `holdfast/schedule/${id}`,
  gap: (system: string, source: string) => `holdfast/${system}/${source}/gap`,
  archive: (system: string, source: string) => `holdfast/${system}/${source}/archive`,
  readiness: (system: string) => `holdfast/${system}/readiness`,
  oldPrimary: (system: string, source: string) => `holdfast/${system}/${source}/old-primary`,
  incident: (system: string, incident: string) => `holdfast/${system}/incident/${incident}`,
  updateDue: (system: string, incident: string) => `holdfast/${system}/incident/${incident}/update`,
  call: (system: string, incident: string, ladder: string, rung: number) => `holdfast/${system}/incident/${incident}/call/${ladder}/${rung}`,
  owner: (system: string, incident: string, step: string) => `holdfast/${system}/incident/${incident}/owner/${step}`,
} as const;
