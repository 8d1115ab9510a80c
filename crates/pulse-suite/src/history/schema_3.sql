-- How a run ended: an interrupted one is listed, but is no baseline and no part of trends.
ALTER TABLE runs ADD COLUMN ending TEXT;
UPDATE runs SET ending = coalesce(json_extract(summary, '$.ending'), 'finished');

-- What a case was planned to do, so that a change of the plan is not taken for one of the service.
ALTER TABLE cases ADD COLUMN plan TEXT;
UPDATE cases SET plan = (
    SELECT group_concat(json_extract(value, '$.name') || ': ' || json_extract(value, '$.load'), '; ')
    FROM json_each(cases.summary, '$.run.scenarios')
);
