-- Generated from a migrated database by `make schema`. To change it, write a migration and generate it anew.

CREATE TABLE adjustment_lines (
    adjustment_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    unit_cost numeric(18,6),
    lot_number text,
    expires_on date,
    best_before date,
    made_on date,
    CONSTRAINT adjustment_lines_pkey PRIMARY KEY (adjustment_id, line_number),
    CONSTRAINT adjustment_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT adjustment_lines_lot CHECK (lot_number IS NOT NULL OR num_nonnulls(expires_on, best_before, made_on) = 0),
    CONSTRAINT adjustment_lines_quantity_check CHECK (quantity <> 0),
    CONSTRAINT adjustment_lines_unit_cost_check CHECK (unit_cost >= 0::numeric),
    CONSTRAINT adjustment_lines_adjustment_id_fkey FOREIGN KEY (adjustment_id) REFERENCES adjustments(adjustment_id),
    CONSTRAINT adjustment_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE TRIGGER adjustment_lines_are_in_time BEFORE INSERT OR UPDATE ON adjustment_lines
    FOR EACH ROW EXECUTE FUNCTION require_the_adjustment_to_be_pending();
GRANT INSERT, SELECT ON adjustment_lines TO stockkeeper_worker;

CREATE TABLE adjustments (
    adjustment_id bigint GENERATED ALWAYS AS IDENTITY,
    adjustment_number text NOT NULL,
    warehouse_id bigint NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    value numeric(38,6) NOT NULL,
    unvalued_units bigint NOT NULL,
    needs_approval boolean NOT NULL,
    remind_after_hours double precision NOT NULL,
    cancel_after_hours double precision NOT NULL,
    approved_by text,
    approval_note text,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    would_end jsonb DEFAULT '[]'::jsonb NOT NULL,
    occurred_at timestamp with time zone,
    CONSTRAINT adjustments_pkey PRIMARY KEY (adjustment_id),
    CONSTRAINT adjustments_adjustment_number_key UNIQUE (adjustment_number),
    CONSTRAINT adjustments_adjustment_number_check CHECK (adjustment_number <> ''::text),
    CONSTRAINT adjustments_are_approved CHECK (
        CASE status
            WHEN 'POSTED'::text THEN needs_approval = (approved_by IS NOT NULL)
            ELSE approved_by IS NULL
        END),
    CONSTRAINT adjustments_cancel_after_hours_check CHECK (cancel_after_hours > 0::double precision),
    CONSTRAINT adjustments_closed CHECK ((status = 'PENDING'::text) = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT adjustments_end_holds_by_approval CHECK (needs_approval OR would_end = '[]'::jsonb),
    CONSTRAINT adjustments_not_own CHECK (approved_by IS NULL OR is_approved(1, ARRAY[approved_by], ARRAY[requested_by])),
    CONSTRAINT adjustments_remind_after_hours_check CHECK (remind_after_hours > 0::double precision),
    CONSTRAINT adjustments_status_check CHECK (status = ANY (ARRAY['PENDING'::text, 'POSTED'::text, 'REJECTED'::text, 'CANCELLED'::text])),
    CONSTRAINT adjustments_unvalued_units_check CHECK (unvalued_units >= 0),
    CONSTRAINT adjustments_value_check CHECK (value >= 0::numeric),
    CONSTRAINT adjustments_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX adjustments_folded ON adjustments USING btree (lower(adjustment_number));
CREATE INDEX adjustments_pending ON adjustments USING btree (created_at) WHERE status = 'PENDING'::text;
CREATE CONSTRAINT TRIGGER adjustments_are_booked AFTER INSERT OR UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_adjustment_to_be_booked();
CREATE TRIGGER adjustments_are_kept_here AFTER INSERT ON adjustments REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
CREATE CONSTRAINT TRIGGER adjustments_end_holds_approved AFTER INSERT OR UPDATE ON adjustments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.status = 'POSTED'::text AND new.approved_by IS NULL) EXECUTE FUNCTION require_an_approval_to_end_holds();
GRANT INSERT, SELECT, UPDATE ON adjustments TO stockkeeper_worker;

CREATE TABLE approved_differences (
    operation_id text NOT NULL,
    approval_id bigint NOT NULL,
    approver text NOT NULL,
    up_to_value numeric(38,6) NOT NULL,
    up_to_units bigint NOT NULL,
    value numeric(38,6) NOT NULL,
    unvalued_units bigint NOT NULL,
    performed_by text NOT NULL,
    booked_at timestamp with time zone NOT NULL,
    CONSTRAINT approved_differences_pkey PRIMARY KEY (operation_id),
    CONSTRAINT approved_differences_no_more CHECK (value <= up_to_value AND unvalued_units <= up_to_units),
    CONSTRAINT approved_differences_not_own CHECK (is_approved(1, ARRAY[approver], ARRAY[performed_by])),
    CONSTRAINT approved_differences_unvalued_units_check CHECK (unvalued_units >= 0),
    CONSTRAINT approved_differences_value_check CHECK (value >= 0::numeric),
    CONSTRAINT approved_differences_within FOREIGN KEY (approval_id, approver, up_to_value, up_to_units) REFERENCES difference_approvals(approval_id, approver, up_to_value, up_to_units)
);
GRANT INSERT, SELECT ON approved_differences TO stockkeeper_worker;

CREATE TABLE audit_findings (
    finding_id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    warehouse_id bigint,
    product_id bigint,
    document text DEFAULT ''::text NOT NULL,
    expected bigint NOT NULL,
    actual bigint NOT NULL,
    status text DEFAULT 'OPEN'::text NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text,
    CONSTRAINT audit_findings_pkey PRIMARY KEY (finding_id),
    CONSTRAINT audit_findings_closed CHECK ((status = 'OPEN'::text) = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (closed_reason IS NULL)),
    CONSTRAINT audit_findings_kind_check CHECK (kind <> ''::text),
    CONSTRAINT audit_findings_status_check CHECK (status = ANY (ARRAY['OPEN'::text, 'GONE'::text, 'REPAIRED'::text, 'ACCEPTED'::text])),
    CONSTRAINT audit_findings_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT audit_findings_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE UNIQUE INDEX audit_findings_once ON audit_findings USING btree (kind, COALESCE(warehouse_id, 0::bigint), COALESCE(product_id, 0::bigint), document) WHERE status = ANY (ARRAY['OPEN'::text, 'ACCEPTED'::text]);
GRANT INSERT, SELECT, UPDATE (expected, actual, status, last_seen_at, workflow_id, run_id, closed_at, closed_by, closed_reason, operation_id) ON audit_findings TO stockkeeper_worker;

CREATE TABLE cycle_count_entries (
    count_id bigint NOT NULL,
    product_id bigint NOT NULL,
    entry_number integer NOT NULL,
    counted_by text NOT NULL,
    counted_quantity bigint NOT NULL,
    system_quantity bigint NOT NULL,
    within_tolerance boolean NOT NULL,
    root_cause text,
    counted_at timestamp with time zone NOT NULL,
    last_correction bigint DEFAULT 0 NOT NULL,
    operation_id text NOT NULL,
    lot_number text DEFAULT ''::text NOT NULL,
    CONSTRAINT cycle_count_entries_pkey PRIMARY KEY (count_id, product_id, lot_number, entry_number),
    CONSTRAINT cycle_count_entries_counted_quantity_check CHECK (counted_quantity >= 0),
    CONSTRAINT cycle_count_entries_entry_number_check CHECK (entry_number > 0),
    CONSTRAINT cycle_count_entries_system_quantity_check CHECK (system_quantity >= 0),
    CONSTRAINT cycle_count_entries_line FOREIGN KEY (count_id, product_id, lot_number) REFERENCES cycle_count_lines(count_id, product_id, lot_number)
);
CREATE UNIQUE INDEX cycle_count_entries_distinct ON cycle_count_entries USING btree (count_id, product_id, lot_number, lower(counted_by));
GRANT INSERT, SELECT ON cycle_count_entries TO stockkeeper_worker;

CREATE TABLE cycle_count_lines (
    count_id bigint NOT NULL,
    product_id bigint NOT NULL,
    counted_by text,
    counted_quantity bigint,
    system_quantity bigint,
    delta bigint GENERATED ALWAYS AS ((counted_quantity - system_quantity)) STORED,
    root_cause text,
    line_number integer NOT NULL,
    status text DEFAULT 'COUNTING'::text NOT NULL,
    count_class text,
    approved_by text,
    posted_at timestamp with time zone,
    posted_by text,
    would_end jsonb DEFAULT '[]'::jsonb NOT NULL,
    lot_number text DEFAULT ''::text NOT NULL,
    expires_on date,
    best_before date,
    made_on date,
    CONSTRAINT cycle_count_lines_pkey PRIMARY KEY (count_id, product_id, lot_number),
    CONSTRAINT cycle_count_lines_place UNIQUE (count_id, line_number),
    CONSTRAINT cycle_count_lines_count_class_check CHECK (count_class = ANY (ARRAY['A'::text, 'B'::text, 'C'::text])),
    CONSTRAINT cycle_count_lines_counted CHECK (
        CASE status
            WHEN 'COUNTING'::text THEN num_nonnulls(counted_by, counted_quantity, system_quantity) = 0
            WHEN 'CANCELLED'::text THEN true
            ELSE num_nonnulls(counted_by, counted_quantity, system_quantity) = 3
        END),
    CONSTRAINT cycle_count_lines_counted_quantity_check CHECK (counted_quantity >= 0),
    CONSTRAINT cycle_count_lines_end_holds_by_approval CHECK (status <> 'POSTED'::text OR approved_by IS NOT NULL OR would_end = '[]'::jsonb),
    CONSTRAINT cycle_count_lines_have_a_cause CHECK (status <> 'POSTED'::text OR counted_quantity = system_quantity OR root_cause IS NOT NULL),
    CONSTRAINT cycle_count_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT cycle_count_lines_lot CHECK (lot_number <> ''::text OR num_nonnulls(expires_on, best_before, made_on) = 0),
    CONSTRAINT cycle_count_lines_not_own CHECK (approved_by IS NULL OR is_approved(1, ARRAY[approved_by], ARRAY[counted_by])),
    CONSTRAINT cycle_count_lines_posted CHECK ((status = 'POSTED'::text) = (posted_at IS NOT NULL) AND (posted_at IS NULL) = (posted_by IS NULL)),
    CONSTRAINT cycle_count_lines_status_check CHECK (status = ANY (ARRAY['COUNTING'::text, 'REVIEW'::text, 'POSTED'::text, 'CANCELLED'::text])),
    CONSTRAINT cycle_count_lines_system_quantity_check CHECK (system_quantity >= 0),
    CONSTRAINT cycle_count_lines_count_id_fkey FOREIGN KEY (count_id) REFERENCES cycle_counts(count_id),
    CONSTRAINT cycle_count_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE INDEX cycle_count_lines_by_product ON cycle_count_lines USING btree (product_id);
CREATE INDEX cycle_count_lines_by_time ON cycle_count_lines USING brin (posted_at);
CREATE CONSTRAINT TRIGGER cycle_count_lines_are_booked AFTER INSERT OR UPDATE ON cycle_count_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.status = 'POSTED'::text) EXECUTE FUNCTION require_the_variance_to_be_booked();
CREATE CONSTRAINT TRIGGER cycle_count_lines_are_in_their_count AFTER UPDATE OF status ON cycle_count_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.status <> new.status) EXECUTE FUNCTION require_the_count_to_be_its_lines();
CREATE TRIGGER cycle_count_lines_are_in_time BEFORE INSERT ON cycle_count_lines
    FOR EACH ROW EXECUTE FUNCTION require_the_count_to_be_going_on();
CREATE CONSTRAINT TRIGGER cycle_count_lines_end_holds_approved AFTER INSERT OR UPDATE ON cycle_count_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.status = 'POSTED'::text AND new.approved_by IS NULL) EXECUTE FUNCTION require_an_approval_to_end_holds();
GRANT INSERT, SELECT, UPDATE ON cycle_count_lines TO stockkeeper_worker;

CREATE TABLE cycle_counts (
    count_id bigint GENERATED ALWAYS AS IDENTITY,
    count_number text NOT NULL,
    warehouse_id bigint NOT NULL,
    status text DEFAULT 'COUNTING'::text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    tolerance_units bigint NOT NULL,
    tolerance_percent numeric(9,3) NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT cycle_counts_pkey PRIMARY KEY (count_id),
    CONSTRAINT cycle_counts_count_number_key UNIQUE (count_number),
    CONSTRAINT cycle_counts_closed CHECK ((status = ANY (ARRAY['POSTED'::text, 'CANCELLED'::text])) = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT cycle_counts_count_number_check CHECK (count_number <> ''::text),
    CONSTRAINT cycle_counts_status_check CHECK (status = ANY (ARRAY['COUNTING'::text, 'REVIEW'::text, 'POSTED'::text, 'CANCELLED'::text])),
    CONSTRAINT cycle_counts_tolerance_percent_check CHECK (tolerance_percent >= 0::numeric),
    CONSTRAINT cycle_counts_tolerance_units_check CHECK (tolerance_units >= 0),
    CONSTRAINT cycle_counts_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX cycle_counts_folded ON cycle_counts USING btree (lower(count_number));
CREATE INDEX cycle_counts_open ON cycle_counts USING btree (warehouse_id) WHERE status = ANY (ARRAY['COUNTING'::text, 'REVIEW'::text]);
CREATE TRIGGER cycle_counts_are_kept_here AFTER INSERT ON cycle_counts REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
CREATE CONSTRAINT TRIGGER cycle_counts_are_their_lines AFTER INSERT OR UPDATE OF status ON cycle_counts DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_count_to_be_its_lines();
GRANT INSERT, SELECT, UPDATE ON cycle_counts TO stockkeeper_worker;

CREATE TABLE daily_demand (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    day date NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT daily_demand_pkey PRIMARY KEY (warehouse_id, product_id, day) INCLUDE (quantity),
    CONSTRAINT daily_demand_quantity_check CHECK (quantity >= 0),
    CONSTRAINT daily_demand_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT daily_demand_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
GRANT INSERT, SELECT, UPDATE ON daily_demand TO stockkeeper_worker;

CREATE TABLE demand_days (
    warehouse_id bigint NOT NULL,
    through date NOT NULL,
    CONSTRAINT demand_days_pkey PRIMARY KEY (warehouse_id),
    CONSTRAINT demand_days_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
GRANT INSERT, SELECT, UPDATE ON demand_days TO stockkeeper_worker;

CREATE TABLE difference_approvals (
    approval_id bigint GENERATED ALWAYS AS IDENTITY,
    document_type text NOT NULL,
    document_number text NOT NULL,
    approver text NOT NULL,
    up_to_value numeric(38,6) NOT NULL,
    up_to_units bigint NOT NULL,
    note text,
    approved_at timestamp with time zone NOT NULL,
    operation_id text NOT NULL,
    CONSTRAINT difference_approvals_pkey PRIMARY KEY (approval_id),
    CONSTRAINT difference_approvals_booked_by UNIQUE (approval_id, approver, up_to_value, up_to_units),
    CONSTRAINT difference_approvals_once UNIQUE (operation_id),
    CONSTRAINT difference_approvals_up_to_units_check CHECK (up_to_units >= 0),
    CONSTRAINT difference_approvals_up_to_value_check CHECK (up_to_value >= 0::numeric)
);
CREATE INDEX difference_approvals_of ON difference_approvals USING btree (document_type, document_number);
GRANT INSERT, SELECT ON difference_approvals TO stockkeeper_worker;

CREATE TABLE event_log (
    is_this boolean DEFAULT true NOT NULL,
    last_number bigint DEFAULT 0 NOT NULL,
    forgotten_number bigint DEFAULT 0 NOT NULL,
    looked_from bigint DEFAULT 0 NOT NULL,
    marked_id bigint,
    marked_by bigint,
    CONSTRAINT event_log_pkey PRIMARY KEY (is_this),
    CONSTRAINT event_log_check CHECK (forgotten_number >= 0 AND forgotten_number <= last_number),
    CONSTRAINT event_log_check1 CHECK (marked_id > looked_from),
    CONSTRAINT event_log_is_this_check CHECK (is_this),
    CONSTRAINT event_log_last_number_check CHECK (last_number >= 0),
    CONSTRAINT event_log_looked_from_check CHECK (looked_from >= 0)
);
GRANT SELECT ON event_log TO stockkeeper_worker;

CREATE TABLE events (
    number bigint NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    warehouse_id bigint,
    product_id bigint,
    data jsonb NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    performed_by text NOT NULL,
    reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (number),
    CONSTRAINT events_kind_check CHECK (kind <> ''::text),
    CONSTRAINT events_number_check CHECK (number > 0),
    CONSTRAINT events_subject_check CHECK (subject <> ''::text)
);
CREATE TRIGGER events_append_only BEFORE UPDATE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
GRANT SELECT ON events TO stockkeeper_worker;

CREATE TABLE former_skus (
    former_sku_id bigint GENERATED ALWAYS AS IDENTITY,
    sku text NOT NULL,
    product_id bigint NOT NULL,
    renamed_at timestamp with time zone NOT NULL,
    renamed_by text NOT NULL,
    operation_id text NOT NULL,
    taken_back_at timestamp with time zone,
    CONSTRAINT former_skus_pkey PRIMARY KEY (former_sku_id),
    CONSTRAINT former_skus_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE INDEX former_skus_product ON former_skus USING btree (product_id);
CREATE UNIQUE INDEX former_skus_sku_in_any_case ON former_skus USING btree (lower(sku)) WHERE taken_back_at IS NULL;
CREATE CONSTRAINT TRIGGER former_skus_are_no_products AFTER INSERT OR UPDATE ON former_skus DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_a_sku_to_have_one_meaning();
CREATE TRIGGER former_skus_are_of_the_catalogue BEFORE INSERT OR DELETE OR UPDATE ON former_skus
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
GRANT INSERT, SELECT, UPDATE ON former_skus TO stockkeeper_worker;

CREATE TABLE given_way (
    reservation_id bigint NOT NULL,
    operation_id text NOT NULL,
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    document text NOT NULL,
    gave_way_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    held_again_at timestamp with time zone,
    held_again_by text,
    CONSTRAINT given_way_pkey PRIMARY KEY (reservation_id, operation_id),
    CONSTRAINT given_way_held_again CHECK ((held_again_at IS NULL) = (held_again_by IS NULL)),
    CONSTRAINT given_way_quantity_check CHECK (quantity > 0),
    CONSTRAINT given_way_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id),
    CONSTRAINT given_way_reservation_id_fkey FOREIGN KEY (reservation_id) REFERENCES reservations(reservation_id)
);
CREATE INDEX given_way_by_operation ON given_way USING btree (operation_id);
CREATE INDEX given_way_open ON given_way USING btree (warehouse_id, product_id, expires_at) WHERE held_again_at IS NULL;
GRANT INSERT, SELECT, UPDATE ON given_way TO stockkeeper_worker;

CREATE TABLE import_pages (
    import_id text NOT NULL,
    page integer NOT NULL,
    rows jsonb NOT NULL,
    row_count integer NOT NULL,
    staged_at timestamp with time zone NOT NULL,
    CONSTRAINT import_pages_pkey PRIMARY KEY (import_id, page),
    CONSTRAINT import_pages_page_check CHECK (page >= 0),
    CONSTRAINT import_pages_row_count_check CHECK (row_count > 0)
);
GRANT DELETE, INSERT, SELECT, UPDATE ON import_pages TO stockkeeper_worker;

CREATE TABLE imported_demand (
    product_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    day date NOT NULL,
    quantity bigint NOT NULL,
    exclude boolean DEFAULT false NOT NULL,
    CONSTRAINT imported_demand_pkey PRIMARY KEY (warehouse_id, product_id, day),
    CONSTRAINT imported_demand_quantity_check CHECK (quantity >= 0),
    CONSTRAINT imported_demand_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT imported_demand_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
GRANT INSERT, SELECT, UPDATE ON imported_demand TO stockkeeper_worker;

CREATE TABLE imported_files (
    position bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    import_id text NOT NULL,
    application integer NOT NULL,
    operation_id text NOT NULL,
    CONSTRAINT imported_files_pkey PRIMARY KEY ("position"),
    CONSTRAINT imported_files_import_id_application_key UNIQUE (import_id, application),
    CONSTRAINT imported_files_application_check CHECK (application > 0)
);
CREATE INDEX imported_files_by_kind ON imported_files USING btree (kind, "position");
GRANT INSERT, SELECT ON imported_files TO stockkeeper_worker;

CREATE TABLE inspection_decision_lines (
    inspection_id bigint NOT NULL,
    decision_id text NOT NULL,
    line_number integer NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT inspection_decision_lines_pkey PRIMARY KEY (inspection_id, decision_id, line_number),
    CONSTRAINT inspection_decision_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT inspection_decision_lines_line FOREIGN KEY (inspection_id, line_number) REFERENCES inspection_lines(inspection_id, line_number),
    CONSTRAINT inspection_decision_lines_of FOREIGN KEY (inspection_id, decision_id) REFERENCES inspection_decisions(inspection_id, decision_id)
);
CREATE CONSTRAINT TRIGGER inspection_decision_lines_are_in_their_line AFTER INSERT ON inspection_decision_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_inspection_to_be_its_decisions();
GRANT INSERT, SELECT ON inspection_decision_lines TO stockkeeper_worker;

CREATE TABLE inspection_decisions (
    inspection_id bigint NOT NULL,
    decision_id text NOT NULL,
    outcome text NOT NULL,
    requested_by text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    root_cause text,
    reason text,
    operation_id text NOT NULL,
    CONSTRAINT inspection_decisions_pkey PRIMARY KEY (inspection_id, decision_id),
    CONSTRAINT inspection_decisions_decision_id_check CHECK (decision_id <> ''::text),
    CONSTRAINT inspection_decisions_have_a_cause CHECK ((outcome = 'SCRAPPED'::text) = (root_cause IS NOT NULL) AND (outcome <> 'SCRAPPED'::text OR reason IS NOT NULL)),
    CONSTRAINT inspection_decisions_not_own CHECK (is_approved(1, ARRAY[decided_by], ARRAY[requested_by])),
    CONSTRAINT inspection_decisions_outcome_check CHECK (outcome = ANY (ARRAY['RELEASED'::text, 'SCRAPPED'::text])),
    CONSTRAINT inspection_decisions_of FOREIGN KEY (inspection_id, requested_by) REFERENCES inspections(inspection_id, requested_by)
);
CREATE CONSTRAINT TRIGGER inspection_decisions_are_booked AFTER INSERT ON inspection_decisions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_scrapped_to_be_booked();
GRANT INSERT, SELECT ON inspection_decisions TO stockkeeper_worker;

CREATE TABLE inspection_lines (
    inspection_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    lot_number text,
    quantity bigint NOT NULL,
    unit_cost numeric(18,6),
    released bigint DEFAULT 0 NOT NULL,
    scrapped bigint DEFAULT 0 NOT NULL,
    brought bigint DEFAULT 0 NOT NULL,
    CONSTRAINT inspection_lines_pkey PRIMARY KEY (inspection_id, line_number),
    CONSTRAINT inspection_lines_brought_check CHECK (brought = 0 OR brought = quantity),
    CONSTRAINT inspection_lines_decided_once CHECK ((released + scrapped) <= quantity),
    CONSTRAINT inspection_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT inspection_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT inspection_lines_released_check CHECK (released >= 0),
    CONSTRAINT inspection_lines_scrapped_check CHECK (scrapped >= 0),
    CONSTRAINT inspection_lines_unit_cost_check CHECK (unit_cost >= 0::numeric),
    CONSTRAINT inspection_lines_inspection_id_fkey FOREIGN KEY (inspection_id) REFERENCES inspections(inspection_id),
    CONSTRAINT inspection_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE INDEX inspection_lines_open ON inspection_lines USING btree (product_id) WHERE (released + scrapped) < quantity;
CREATE CONSTRAINT TRIGGER inspection_lines_are_set_aside AFTER INSERT OR UPDATE ON inspection_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_inspected_units_to_be_set_aside();
CREATE CONSTRAINT TRIGGER inspection_lines_are_their_decisions AFTER INSERT OR UPDATE ON inspection_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_inspection_to_be_its_decisions();
GRANT INSERT, SELECT, UPDATE ON inspection_lines TO stockkeeper_worker;

CREATE TABLE inspections (
    inspection_id bigint GENERATED ALWAYS AS IDENTITY,
    inspection_number text NOT NULL,
    warehouse_id bigint NOT NULL,
    status text DEFAULT 'OPEN'::text NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    remind_after_hours double precision NOT NULL,
    due_after_hours double precision NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT inspections_pkey PRIMARY KEY (inspection_id),
    CONSTRAINT inspections_inspection_number_key UNIQUE (inspection_number),
    CONSTRAINT inspections_set_aside_by UNIQUE (inspection_id, requested_by),
    CONSTRAINT inspections_closed CHECK ((status = 'OPEN'::text) = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT inspections_due_after_hours_check CHECK (due_after_hours > 0::double precision),
    CONSTRAINT inspections_inspection_number_check CHECK (inspection_number <> ''::text),
    CONSTRAINT inspections_remind_after_hours_check CHECK (remind_after_hours > 0::double precision),
    CONSTRAINT inspections_state_check CHECK (state = ANY (ARRAY['QUARANTINE'::text, 'DAMAGED'::text, 'QUALITY_CONTROL'::text, 'SAFETY'::text])),
    CONSTRAINT inspections_status_check CHECK (status = ANY (ARRAY['OPEN'::text, 'DONE'::text])),
    CONSTRAINT inspections_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX inspections_folded ON inspections USING btree (lower(inspection_number));
CREATE INDEX inspections_open ON inspections USING btree (warehouse_id) WHERE status = 'OPEN'::text;
CREATE TRIGGER inspections_are_kept_here AFTER INSERT ON inspections REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
CREATE CONSTRAINT TRIGGER inspections_are_their_decisions AFTER INSERT OR UPDATE ON inspections DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_inspection_to_be_its_decisions();
GRANT INSERT, SELECT, UPDATE ON inspections TO stockkeeper_worker;

CREATE TABLE inventory_items (
    item_id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    quantity_on_hand bigint DEFAULT 0 NOT NULL,
    quantity_reserved bigint DEFAULT 0 NOT NULL,
    reorder_point bigint,
    reorder_quantity bigint,
    last_counted_at timestamp with time zone,
    last_moved_at timestamp with time zone,
    planning text DEFAULT 'auto'::text NOT NULL,
    last_count_was_off boolean DEFAULT false NOT NULL,
    quantity_buffer bigint DEFAULT 0 NOT NULL,
    is_tracked boolean DEFAULT false NOT NULL,
    quantity_unavailable bigint DEFAULT 0 NOT NULL,
    quantity_available bigint GENERATED ALWAYS AS ((((quantity_on_hand - quantity_reserved) - quantity_buffer) - quantity_unavailable)) STORED,
    is_below_reorder_point boolean GENERATED ALWAYS AS (COALESCE(((((quantity_on_hand - quantity_reserved) - quantity_buffer) - quantity_unavailable) < reorder_point), false)) STORED NOT NULL,
    CONSTRAINT inventory_items_pkey PRIMARY KEY (item_id),
    CONSTRAINT inventory_items_item_key UNIQUE (warehouse_id, product_id),
    CONSTRAINT inventory_items_never_oversold CHECK ((quantity_reserved + quantity_unavailable) <= quantity_on_hand),
    CONSTRAINT inventory_items_planning_check CHECK (planning = ANY (ARRAY['auto'::text, 'manual'::text])),
    CONSTRAINT inventory_items_quantity_buffer_check CHECK (quantity_buffer >= 0),
    CONSTRAINT inventory_items_quantity_on_hand_check CHECK (quantity_on_hand >= 0),
    CONSTRAINT inventory_items_quantity_reserved_check CHECK (quantity_reserved >= 0),
    CONSTRAINT inventory_items_quantity_unavailable_check CHECK (quantity_unavailable >= 0),
    CONSTRAINT inventory_items_reorder_point_check CHECK (reorder_point >= 0),
    CONSTRAINT inventory_items_reorder_quantity_check CHECK (reorder_quantity > 0),
    CONSTRAINT inventory_items_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT inventory_items_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
) WITH (fillfactor=80);
CREATE INDEX inventory_items_below ON inventory_items USING btree (warehouse_id, product_id) WHERE is_below_reorder_point;
CREATE INDEX inventory_items_product ON inventory_items USING btree (product_id);
CREATE INDEX inventory_items_tracked ON inventory_items USING btree (warehouse_id, product_id) WHERE is_tracked;
CREATE TRIGGER inventory_items_are_kept_here AFTER INSERT ON inventory_items REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
CREATE CONSTRAINT TRIGGER inventory_items_are_their_lots AFTER UPDATE ON inventory_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.is_tracked) EXECUTE FUNCTION require_the_item_to_be_its_lots();
CREATE CONSTRAINT TRIGGER inventory_items_begin_with_a_movement AFTER INSERT ON inventory_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.quantity_on_hand <> 0) EXECUTE FUNCTION require_on_hand_to_be_the_ledger();
CREATE CONSTRAINT TRIGGER inventory_items_have_a_state AFTER UPDATE OF quantity_unavailable ON inventory_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.quantity_unavailable <> new.quantity_unavailable) EXECUTE FUNCTION require_unavailable_units_to_have_a_state();
CREATE TRIGGER inventory_items_keep_their_point AFTER UPDATE OF reorder_point ON inventory_items
    FOR EACH ROW WHEN (old.reorder_point IS DISTINCT FROM new.reorder_point) EXECUTE FUNCTION keep_the_reorder_point();
CREATE TRIGGER inventory_items_know_whether_they_are_tracked BEFORE INSERT ON inventory_items
    FOR EACH ROW EXECUTE FUNCTION know_whether_it_is_tracked();
CREATE CONSTRAINT TRIGGER inventory_items_need_a_movement AFTER UPDATE OF quantity_on_hand ON inventory_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.quantity_on_hand IS DISTINCT FROM new.quantity_on_hand) EXECUTE FUNCTION require_on_hand_to_be_the_ledger();
CREATE TRIGGER inventory_items_tell_who_waits AFTER UPDATE ON inventory_items
    FOR EACH ROW WHEN (new.quantity_available > old.quantity_available) EXECUTE FUNCTION tell_who_waits();
CREATE TRIGGER inventory_items_tell_who_waits_at_first AFTER INSERT ON inventory_items
    FOR EACH ROW WHEN (new.quantity_available > 0) EXECUTE FUNCTION tell_who_waits();
GRANT INSERT, SELECT, UPDATE ON inventory_items TO stockkeeper_worker;

CREATE TABLE item_classes (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    count_class text NOT NULL,
    demand bigint NOT NULL,
    classified_at timestamp with time zone NOT NULL,
    CONSTRAINT item_classes_pkey PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT item_classes_count_class_check CHECK (count_class = ANY (ARRAY['A'::text, 'B'::text, 'C'::text])),
    CONSTRAINT item_classes_demand_check CHECK (demand >= 0),
    CONSTRAINT item_classes_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
);
GRANT INSERT, SELECT, UPDATE ON item_classes TO stockkeeper_worker;

CREATE TABLE item_plans (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    supplier_id bigint NOT NULL,
    days integer NOT NULL,
    daily_mean double precision NOT NULL,
    daily_deviation double precision NOT NULL,
    lead_time_days double precision NOT NULL,
    lead_time_deviation_days double precision,
    service_level double precision NOT NULL,
    safety_stock double precision NOT NULL,
    economic_order_quantity double precision NOT NULL,
    reorder_point bigint NOT NULL,
    reorder_quantity bigint NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    service_measure text DEFAULT 'cycle'::text NOT NULL,
    method text DEFAULT 'seed'::text,
    demand_class text,
    days_with_demand integer,
    order_cost double precision,
    holding_cost_rate double precision,
    unit_cost double precision,
    undershoot double precision,
    outgoing_mean double precision,
    outgoing_deviation double precision,
    outgoing_skewness double precision,
    factor double precision,
    expected_cycle_service double precision,
    expected_fill_rate double precision,
    review_wait_days double precision,
    forecast text,
    forecast_factor double precision,
    forecast_error double precision,
    usual_deviation double precision,
    usual_days double precision,
    widening double precision,
    CONSTRAINT item_plans_pkey PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT item_plans_check CHECK (days_with_demand >= 0 AND days_with_demand <= days),
    CONSTRAINT item_plans_daily_deviation_check CHECK (daily_deviation >= 0::double precision),
    CONSTRAINT item_plans_daily_mean_check CHECK (daily_mean >= 0::double precision),
    CONSTRAINT item_plans_days_check CHECK (days > 0),
    CONSTRAINT item_plans_demand_class_check CHECK (demand_class = ANY (ARRAY['smooth'::text, 'erratic'::text, 'intermittent'::text, 'lumpy'::text])),
    CONSTRAINT item_plans_economic_order_quantity_check CHECK (economic_order_quantity >= 0::double precision),
    CONSTRAINT item_plans_expected_cycle_service_check CHECK (expected_cycle_service >= 0::double precision AND expected_cycle_service <= 1::double precision),
    CONSTRAINT item_plans_expected_fill_rate_check CHECK (expected_fill_rate >= 0::double precision AND expected_fill_rate <= 1::double precision),
    CONSTRAINT item_plans_forecast_check CHECK (forecast = ANY (ARRAY['trend'::text, 'season'::text, 'trend_and_season'::text])),
    CONSTRAINT item_plans_forecast_error_check CHECK (forecast_error >= 0::double precision AND forecast_error <= 1::double precision),
    CONSTRAINT item_plans_forecast_factor_check CHECK (forecast_factor > 0::double precision),
    CONSTRAINT item_plans_holding_cost_rate_check CHECK (holding_cost_rate >= 0::double precision),
    CONSTRAINT item_plans_lead_time_days_check CHECK (lead_time_days >= 0::double precision),
    CONSTRAINT item_plans_lead_time_deviation_days_check CHECK (lead_time_deviation_days >= 0::double precision),
    CONSTRAINT item_plans_order_cost_check CHECK (order_cost >= 0::double precision),
    CONSTRAINT item_plans_outgoing_deviation_check CHECK (outgoing_deviation >= 0::double precision),
    CONSTRAINT item_plans_outgoing_mean_check CHECK (outgoing_mean >= 0::double precision),
    CONSTRAINT item_plans_reorder_point_check CHECK (reorder_point >= 0),
    CONSTRAINT item_plans_reorder_quantity_check CHECK (reorder_quantity > 0),
    CONSTRAINT item_plans_review_wait_days_check CHECK (review_wait_days > 0::double precision),
    CONSTRAINT item_plans_service_level_check CHECK (service_level > 0::double precision AND service_level < 1::double precision),
    CONSTRAINT item_plans_service_measure_check CHECK (service_measure = ANY (ARRAY['cycle'::text, 'fill'::text])),
    CONSTRAINT item_plans_undershoot_check CHECK (undershoot >= 0::double precision),
    CONSTRAINT item_plans_unit_cost_check CHECK (unit_cost >= 0::double precision),
    CONSTRAINT item_plans_usual_days_check CHECK (usual_days > 0::double precision),
    CONSTRAINT item_plans_usual_deviation_check CHECK (usual_deviation >= 0::double precision),
    CONSTRAINT item_plans_widening_check CHECK (widening >= 1::double precision),
    CONSTRAINT item_plans_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id),
    CONSTRAINT item_plans_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id)
);
GRANT INSERT, SELECT, UPDATE ON item_plans TO stockkeeper_worker;

CREATE TABLE lot_items (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    quantity_on_hand bigint DEFAULT 0 NOT NULL,
    quantity_reserved bigint DEFAULT 0 NOT NULL,
    quantity_unavailable bigint DEFAULT 0 NOT NULL,
    last_moved_at timestamp with time zone,
    told_expiring_at timestamp with time zone,
    told_expired_at timestamp with time zone,
    CONSTRAINT lot_items_pkey PRIMARY KEY (warehouse_id, product_id, lot_number),
    CONSTRAINT lot_items_never_oversold CHECK ((quantity_reserved + quantity_unavailable) <= quantity_on_hand),
    CONSTRAINT lot_items_quantity_on_hand_check CHECK (quantity_on_hand >= 0),
    CONSTRAINT lot_items_quantity_reserved_check CHECK (quantity_reserved >= 0),
    CONSTRAINT lot_items_quantity_unavailable_check CHECK (quantity_unavailable >= 0),
    CONSTRAINT lot_items_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id),
    CONSTRAINT lot_items_lot FOREIGN KEY (product_id, lot_number) REFERENCES lots(product_id, lot_number)
) WITH (fillfactor=80);
CREATE INDEX lot_items_by_lot ON lot_items USING btree (product_id, lot_number);
CREATE INDEX lot_items_on_hand ON lot_items USING btree (warehouse_id, product_id) WHERE quantity_on_hand > 0;
CREATE CONSTRAINT TRIGGER lot_items_are_of_their_item AFTER INSERT OR UPDATE ON lot_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_item_to_be_its_lots();
CREATE CONSTRAINT TRIGGER lot_items_are_one_unit_of_a_serial AFTER INSERT OR UPDATE OF quantity_on_hand ON lot_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.quantity_on_hand > 0) EXECUTE FUNCTION require_a_serial_to_be_one_unit();
CREATE CONSTRAINT TRIGGER lot_items_have_a_state AFTER UPDATE OF quantity_unavailable ON lot_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.quantity_unavailable <> new.quantity_unavailable) EXECUTE FUNCTION require_unavailable_units_of_a_lot_to_have_a_state();
CREATE CONSTRAINT TRIGGER lot_items_need_a_movement AFTER INSERT OR UPDATE OF quantity_on_hand ON lot_items DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_lot_to_be_its_movements();
GRANT INSERT, SELECT, UPDATE ON lot_items TO stockkeeper_worker;

CREATE TABLE lots (
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    expires_on date,
    best_before date,
    made_on date,
    supplier_id bigint,
    receipt text,
    status text DEFAULT 'AVAILABLE'::text NOT NULL,
    status_reason text,
    status_since timestamp with time zone,
    status_by text,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    operation_id text NOT NULL,
    recall_number text,
    CONSTRAINT lots_pkey PRIMARY KEY (product_id, lot_number),
    CONSTRAINT lots_have_a_reason CHECK (status = 'AVAILABLE'::text OR num_nulls(status_reason, status_since, status_by) = 0),
    CONSTRAINT lots_lot_number_check CHECK (lot_number <> ''::text),
    CONSTRAINT lots_made_before CHECK (made_on <= LEAST(expires_on, best_before)),
    CONSTRAINT lots_recalled CHECK (recall_number IS NULL OR status = 'BLOCKED'::text),
    CONSTRAINT lots_status_check CHECK (status = ANY (ARRAY['AVAILABLE'::text, 'QUARANTINED'::text, 'BLOCKED'::text])),
    CONSTRAINT lots_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT lots_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id)
);
CREATE INDEX lots_by_expiry ON lots USING btree (COALESCE(expires_on, best_before)) WHERE COALESCE(expires_on, best_before) IS NOT NULL;
CREATE INDEX lots_by_number ON lots USING btree (lot_number);
CREATE UNIQUE INDEX lots_in_any_case ON lots USING btree (product_id, lower(lot_number));
CREATE CONSTRAINT TRIGGER lots_are_stopped AFTER UPDATE OF status ON lots DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.status <> new.status) EXECUTE FUNCTION require_the_lot_to_be_stopped();
CREATE TRIGGER lots_tell_who_waits AFTER UPDATE OF status, expires_on, best_before ON lots
    FOR EACH ROW EXECUTE FUNCTION tell_who_waits();
GRANT INSERT, SELECT, UPDATE ON lots TO stockkeeper_worker;

CREATE TABLE moved_runs (
    workflow_id text NOT NULL,
    warehouse_id bigint NOT NULL,
    task_queue text NOT NULL,
    CONSTRAINT moved_runs_pkey PRIMARY KEY (workflow_id),
    CONSTRAINT moved_runs_task_queue_check CHECK (task_queue <> ''::text),
    CONSTRAINT moved_runs_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
GRANT SELECT ON moved_runs TO stockkeeper_worker;

CREATE TABLE operations (
    operation_id text NOT NULL,
    kind text NOT NULL,
    fingerprint bytea NOT NULL,
    result jsonb,
    performed_by text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT operations_pkey PRIMARY KEY (operation_id),
    CONSTRAINT operations_fingerprint_check CHECK (octet_length(fingerprint) = 32)
);
CREATE INDEX operations_by_age ON operations USING btree (created_at);
GRANT DELETE, INSERT, SELECT, UPDATE ON operations TO stockkeeper_worker;

CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    subject text NOT NULL,
    warehouse_id bigint,
    product_id bigint,
    data jsonb NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    performed_by text NOT NULL,
    reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (outbox_id),
    CONSTRAINT outbox_kind_check CHECK (kind <> ''::text),
    CONSTRAINT outbox_subject_check CHECK (subject <> ''::text)
) WITH (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=5000, autovacuum_vacuum_insert_scale_factor=0, autovacuum_vacuum_insert_threshold=50000, autovacuum_analyze_scale_factor=0, autovacuum_analyze_threshold=50000);
CREATE TRIGGER outbox_after_a_transaction_id BEFORE INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION have_a_transaction_id();
GRANT INSERT, SELECT ON outbox TO stockkeeper_worker;

CREATE TABLE plan_months (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    month date NOT NULL,
    method text,
    demand_class text,
    service_measure text NOT NULL,
    service_level double precision NOT NULL,
    expected_cycle_service double precision,
    expected_fill_rate double precision,
    reorder_point bigint NOT NULL,
    reorder_quantity bigint NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    units bigint,
    CONSTRAINT plan_months_pkey PRIMARY KEY (warehouse_id, product_id, month),
    CONSTRAINT plan_months_month_check CHECK (EXTRACT(day FROM month) = 1::numeric),
    CONSTRAINT plan_months_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
);
CREATE INDEX plan_months_open ON plan_months USING btree (month) WHERE units IS NULL;
GRANT INSERT, SELECT, UPDATE ON plan_months TO stockkeeper_worker;

CREATE TABLE product_barcodes (
    barcode text NOT NULL,
    product_id bigint NOT NULL,
    unit text NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT product_barcodes_pkey PRIMARY KEY (barcode),
    CONSTRAINT product_barcodes_barcode_check CHECK (barcode <> ''::text AND barcode = btrim(barcode) AND barcode !~ '[[:cntrl:]]'::text),
    CONSTRAINT product_barcodes_gtin CHECK (
        CASE
            WHEN barcode ~ '^[0-9]{14}$'::text THEN ((3 * (substr(barcode, 1, 1)::integer + substr(barcode, 3, 1)::integer + substr(barcode, 5, 1)::integer + substr(barcode, 7, 1)::integer + substr(barcode, 9, 1)::integer + substr(barcode, 11, 1)::integer + substr(barcode, 13, 1)::integer) + substr(barcode, 2, 1)::integer + substr(barcode, 4, 1)::integer + substr(barcode, 6, 1)::integer + substr(barcode, 8, 1)::integer + substr(barcode, 10, 1)::integer + substr(barcode, 12, 1)::integer + substr(barcode, 14, 1)::integer) % 10) = 0
            ELSE barcode !~ '^([0-9]{8}|[0-9]{12}|[0-9]{13})$'::text
        END),
    CONSTRAINT product_barcodes_quantity_check CHECK (quantity > 0),
    CONSTRAINT product_barcodes_unit_check CHECK (unit ~ '^[^A-Z[:space:]]+$'::text),
    CONSTRAINT product_barcodes_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE INDEX product_barcodes_barcode_in_any_case ON product_barcodes USING btree (lower(barcode));
CREATE INDEX product_barcodes_product ON product_barcodes USING btree (product_id);
CREATE TRIGGER product_barcodes_are_of_the_catalogue BEFORE INSERT OR DELETE OR UPDATE ON product_barcodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER product_barcodes_have_no_twins BEFORE INSERT OR UPDATE OF barcode ON product_barcodes
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('barcode');
GRANT DELETE, INSERT, SELECT, UPDATE ON product_barcodes TO stockkeeper_worker;

CREATE TABLE product_suppliers (
    product_id bigint NOT NULL,
    supplier_id bigint NOT NULL,
    is_preferred boolean DEFAULT false NOT NULL,
    unit_cost numeric(18,6) NOT NULL,
    lead_time_days numeric(9,3) NOT NULL,
    lead_time_deviation_days numeric(9,3),
    minimum_order_quantity bigint DEFAULT 1 NOT NULL,
    pack_size bigint DEFAULT 1 NOT NULL,
    lead_times_measured bigint DEFAULT 0 NOT NULL,
    measured_lead_time_days numeric(12,6),
    measured_lead_time_deviation_days numeric(12,6),
    last_unit_cost numeric(18,6),
    price_breaks jsonb,
    minimum_days_at_receipt integer,
    CONSTRAINT product_suppliers_pkey PRIMARY KEY (product_id, supplier_id),
    CONSTRAINT product_suppliers_last_unit_cost_check CHECK (last_unit_cost >= 0::numeric),
    CONSTRAINT product_suppliers_lead_time_days_check CHECK (lead_time_days >= 0::numeric),
    CONSTRAINT product_suppliers_lead_time_deviation_days_check CHECK (lead_time_deviation_days >= 0::numeric),
    CONSTRAINT product_suppliers_lead_times_measured_check CHECK (lead_times_measured >= 0),
    CONSTRAINT product_suppliers_measured CHECK ((lead_times_measured = 0) = (measured_lead_time_days IS NULL) AND (lead_times_measured < 2) = (measured_lead_time_deviation_days IS NULL)),
    CONSTRAINT product_suppliers_measured_lead_time_days_check CHECK (measured_lead_time_days >= 0::numeric),
    CONSTRAINT product_suppliers_measured_lead_time_deviation_days_check CHECK (measured_lead_time_deviation_days >= 0::numeric),
    CONSTRAINT product_suppliers_minimum_days_at_receipt_check CHECK (minimum_days_at_receipt >= 0),
    CONSTRAINT product_suppliers_minimum_order_quantity_check CHECK (minimum_order_quantity > 0),
    CONSTRAINT product_suppliers_pack_size_check CHECK (pack_size > 0),
    CONSTRAINT product_suppliers_price_breaks_check CHECK (are_price_breaks(price_breaks)),
    CONSTRAINT product_suppliers_unit_cost_check CHECK (unit_cost >= 0::numeric),
    CONSTRAINT product_suppliers_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT product_suppliers_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id)
);
CREATE UNIQUE INDEX product_suppliers_one_preferred ON product_suppliers USING btree (product_id) WHERE is_preferred;
CREATE INDEX product_suppliers_supplier ON product_suppliers USING btree (supplier_id);
CREATE TRIGGER product_suppliers_are_of_the_catalogue BEFORE DELETE OR UPDATE OF is_preferred, unit_cost, lead_time_days, lead_time_deviation_days, minimum_order_quantity, pack_size, price_breaks, minimum_days_at_receipt ON product_suppliers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER product_suppliers_have_terms_of_the_catalogue BEFORE INSERT ON product_suppliers
    FOR EACH ROW EXECUTE FUNCTION require_terms_of_the_catalogue();
GRANT INSERT, SELECT, UPDATE ON product_suppliers TO stockkeeper_worker;

CREATE TABLE product_units (
    product_unit_id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    unit text NOT NULL,
    supplier_id bigint,
    quantity bigint,
    CONSTRAINT product_units_pkey PRIMARY KEY (product_unit_id),
    CONSTRAINT product_units_key UNIQUE NULLS NOT DISTINCT (product_id, unit, supplier_id),
    CONSTRAINT product_units_quantity_check CHECK (quantity > 0),
    CONSTRAINT product_units_unit_check CHECK (unit <> ''::text AND unit = lower(unit)),
    CONSTRAINT product_units_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT product_units_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id)
);
CREATE TRIGGER product_units_are_of_the_catalogue BEFORE INSERT OR DELETE OR UPDATE ON product_units
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
GRANT INSERT, SELECT, UPDATE ON product_units TO stockkeeper_worker;

CREATE TABLE products (
    product_id bigint GENERATED BY DEFAULT AS IDENTITY,
    sku text NOT NULL,
    name text NOT NULL,
    description text,
    category_id bigint,
    unit_cost numeric(18,6),
    unit_price numeric(18,6),
    weight_kg numeric(18,6),
    dimensions_cm jsonb,
    is_active boolean DEFAULT true NOT NULL,
    tracking text DEFAULT 'NONE'::text NOT NULL,
    minimum_days_left integer,
    base_unit text DEFAULT 'EACH'::text NOT NULL,
    minimum_days_at_receipt integer,
    CONSTRAINT products_pkey PRIMARY KEY (product_id),
    CONSTRAINT products_sku_key UNIQUE (sku),
    CONSTRAINT products_base_unit_check CHECK (base_unit = ANY (ARRAY['EACH'::text, 'GRAM'::text, 'MILLILITRE'::text, 'MILLIMETRE'::text])),
    CONSTRAINT products_minimum_days_at_receipt_check CHECK (minimum_days_at_receipt >= 0),
    CONSTRAINT products_minimum_days_left_check CHECK (minimum_days_left >= 0),
    CONSTRAINT products_sku_check CHECK (sku <> ''::text),
    CONSTRAINT products_tracking_check CHECK (tracking = ANY (ARRAY['NONE'::text, 'LOT'::text, 'SERIAL'::text])),
    CONSTRAINT products_unit_cost_check CHECK (unit_cost >= 0::numeric),
    CONSTRAINT products_unit_price_check CHECK (unit_price >= 0::numeric),
    CONSTRAINT products_weight_kg_check CHECK (weight_kg >= 0::numeric)
);
CREATE INDEX products_sku_in_any_case ON products USING btree (lower(sku));
CREATE INDEX products_words ON products USING gin (to_tsvector('simple'::regconfig, translate((sku || ' '::text) || name, '-_/.:<>&@+'::text, '          '::text)));
CREATE CONSTRAINT TRIGGER products_are_no_former_skus AFTER INSERT OR UPDATE OF sku ON products DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_a_sku_to_have_one_meaning();
CREATE TRIGGER products_are_of_the_catalogue BEFORE INSERT OR DELETE OR UPDATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER products_are_tracked AFTER UPDATE OF tracking ON products
    FOR EACH ROW WHEN (old.tracking <> new.tracking) EXECUTE FUNCTION follow_the_tracking();
CREATE TRIGGER products_begin_to_be_tracked_without_stock AFTER UPDATE OF tracking ON products
    FOR EACH ROW WHEN (old.tracking <> new.tracking) EXECUTE FUNCTION require_tracking_to_begin_without_stock();
CREATE TRIGGER products_have_no_twins BEFORE INSERT OR UPDATE OF sku ON products
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('sku');
CREATE TRIGGER products_keep_their_base_unit BEFORE UPDATE OF base_unit ON products
    FOR EACH ROW WHEN (old.base_unit <> new.base_unit) EXECUTE FUNCTION refuse_another_base_unit();
GRANT INSERT, SELECT, UPDATE ON products TO stockkeeper_worker;

CREATE TABLE purchase_order_amendments (
    po_id bigint NOT NULL,
    version integer NOT NULL,
    amended_at timestamp with time zone NOT NULL,
    amended_by text NOT NULL,
    reason text NOT NULL,
    status_before text NOT NULL,
    total_before numeric(38,6) NOT NULL,
    lines_before jsonb NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT purchase_order_amendments_pkey PRIMARY KEY (po_id, version),
    CONSTRAINT purchase_order_amendments_status_before_check CHECK (status_before = ANY (ARRAY['DRAFT'::text, 'SUBMITTED'::text])),
    CONSTRAINT purchase_order_amendments_version_check CHECK (version > 1),
    CONSTRAINT purchase_order_amendments_po_id_fkey FOREIGN KEY (po_id) REFERENCES purchase_orders(po_id)
);
CREATE TRIGGER purchase_order_amendments_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON purchase_order_amendments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE CONSTRAINT TRIGGER purchase_order_amendments_are_versions AFTER INSERT ON purchase_order_amendments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_total_to_be_the_lines();
GRANT INSERT, SELECT ON purchase_order_amendments TO stockkeeper_worker;

CREATE TABLE purchase_order_approvals (
    po_id bigint NOT NULL,
    approver text NOT NULL,
    requested_by text NOT NULL,
    approved_at timestamp with time zone NOT NULL,
    note text,
    operation_id text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    CONSTRAINT purchase_order_approvals_pkey PRIMARY KEY (po_id, version, approver),
    CONSTRAINT purchase_order_approvals_not_own CHECK (is_approved(1, ARRAY[approver], ARRAY[requested_by])),
    CONSTRAINT purchase_order_approvals_version_check CHECK (version >= 1),
    CONSTRAINT purchase_order_approvals_of FOREIGN KEY (po_id, requested_by) REFERENCES purchase_orders(po_id, requested_by)
);
CREATE UNIQUE INDEX purchase_order_approvals_distinct ON purchase_order_approvals USING btree (po_id, version, lower(approver));
GRANT INSERT, SELECT ON purchase_order_approvals TO stockkeeper_worker;

CREATE TABLE purchase_order_lines (
    po_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    qty bigint NOT NULL,
    unit_cost numeric(18,6) NOT NULL,
    quantity_received bigint DEFAULT 0 NOT NULL,
    quantity_rejected bigint DEFAULT 0 NOT NULL,
    quantity_receivable bigint NOT NULL,
    note text,
    quantity_returned bigint DEFAULT 0 NOT NULL,
    CONSTRAINT purchase_order_lines_pkey PRIMARY KEY (po_id, line_number),
    CONSTRAINT purchase_order_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT purchase_order_lines_not_too_much CHECK (quantity_received <= quantity_receivable),
    CONSTRAINT purchase_order_lines_qty_check CHECK (qty > 0),
    CONSTRAINT purchase_order_lines_quantity_received_check CHECK (quantity_received >= 0),
    CONSTRAINT purchase_order_lines_quantity_rejected_check CHECK (quantity_rejected >= 0),
    CONSTRAINT purchase_order_lines_returned CHECK (quantity_returned >= 0 AND quantity_returned <= quantity_received),
    CONSTRAINT purchase_order_lines_tolerance CHECK (quantity_receivable >= qty),
    CONSTRAINT purchase_order_lines_unit_cost_check CHECK (unit_cost >= 0::numeric),
    CONSTRAINT purchase_order_lines_po_id_fkey FOREIGN KEY (po_id) REFERENCES purchase_orders(po_id),
    CONSTRAINT purchase_order_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id)
);
CREATE INDEX purchase_order_lines_by_product ON purchase_order_lines USING btree (product_id);
CREATE INDEX purchase_order_lines_owed ON purchase_order_lines USING btree (product_id) WHERE quantity_received < qty;
CREATE CONSTRAINT TRIGGER purchase_order_lines_are_returned AFTER UPDATE OF quantity_returned ON purchase_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.quantity_returned <> new.quantity_returned) EXECUTE FUNCTION require_returns_to_be_on_the_line();
GRANT INSERT, SELECT, UPDATE ON purchase_order_lines TO stockkeeper_worker;

CREATE TABLE purchase_order_receipt_lines (
    po_id bigint NOT NULL,
    receipt_id text NOT NULL,
    line_number integer NOT NULL,
    quantity bigint NOT NULL,
    quantity_rejected bigint NOT NULL,
    CONSTRAINT purchase_order_receipt_lines_pkey PRIMARY KEY (po_id, receipt_id, line_number),
    CONSTRAINT purchase_order_receipt_lines_something CHECK ((quantity <> 0 OR quantity_rejected <> 0) AND (LEAST(quantity, quantity_rejected) >= 0 OR GREATEST(quantity, quantity_rejected) <= 0)),
    CONSTRAINT purchase_order_receipt_lines_line FOREIGN KEY (po_id, line_number) REFERENCES purchase_order_lines(po_id, line_number),
    CONSTRAINT purchase_order_receipt_lines_receipt FOREIGN KEY (po_id, receipt_id) REFERENCES purchase_order_receipts(po_id, receipt_id)
);
CREATE CONSTRAINT TRIGGER purchase_order_receipt_lines_have_it AFTER INSERT ON purchase_order_receipt_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (LEAST(new.quantity, new.quantity_rejected) < 0) EXECUTE FUNCTION require_the_receipt_to_have_it();
GRANT INSERT, SELECT ON purchase_order_receipt_lines TO stockkeeper_worker;

CREATE TABLE purchase_order_receipts (
    po_id bigint NOT NULL,
    receipt_id text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    received_by text NOT NULL,
    operation_id text NOT NULL,
    booked_at timestamp with time zone DEFAULT clock_timestamp(),
    corrects text,
    reason text,
    unfit_reason text,
    CONSTRAINT purchase_order_receipts_pkey PRIMARY KEY (po_id, receipt_id),
    CONSTRAINT purchase_order_receipts_correct CHECK ((corrects IS NULL) = (reason IS NULL) AND corrects <> receipt_id),
    CONSTRAINT purchase_order_receipts_unfit_reason CHECK (unfit_reason IS NULL OR unfit_reason <> ''::text AND corrects IS NULL),
    CONSTRAINT purchase_order_receipts_corrected FOREIGN KEY (po_id, corrects) REFERENCES purchase_order_receipts(po_id, receipt_id),
    CONSTRAINT purchase_order_receipts_po_id_fkey FOREIGN KEY (po_id) REFERENCES purchase_orders(po_id)
);
GRANT INSERT, SELECT ON purchase_order_receipts TO stockkeeper_worker;

CREATE TABLE purchase_order_return_lines (
    po_id bigint NOT NULL,
    return_id text NOT NULL,
    line_number integer NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT purchase_order_return_lines_pkey PRIMARY KEY (po_id, return_id, line_number),
    CONSTRAINT purchase_order_return_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT purchase_order_return_lines_line FOREIGN KEY (po_id, line_number) REFERENCES purchase_order_lines(po_id, line_number),
    CONSTRAINT purchase_order_return_lines_return FOREIGN KEY (po_id, return_id) REFERENCES purchase_order_returns(po_id, return_id)
);
CREATE TRIGGER purchase_order_return_lines_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON purchase_order_return_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE CONSTRAINT TRIGGER purchase_order_return_lines_are_on_the_line AFTER INSERT ON purchase_order_return_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_returns_to_be_on_the_line();
GRANT INSERT, SELECT ON purchase_order_return_lines TO stockkeeper_worker;

CREATE TABLE purchase_order_returns (
    po_id bigint NOT NULL,
    return_id text NOT NULL,
    returned_at timestamp with time zone NOT NULL,
    returned_by text NOT NULL,
    reason text NOT NULL,
    reference text,
    operation_id text NOT NULL,
    CONSTRAINT purchase_order_returns_pkey PRIMARY KEY (po_id, return_id),
    CONSTRAINT purchase_order_returns_po_id_fkey FOREIGN KEY (po_id) REFERENCES purchase_orders(po_id)
);
CREATE TRIGGER purchase_order_returns_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON purchase_order_returns
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
GRANT INSERT, SELECT ON purchase_order_returns TO stockkeeper_worker;

CREATE TABLE purchase_orders (
    po_id bigint GENERATED ALWAYS AS IDENTITY,
    po_number text NOT NULL,
    supplier_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    status text DEFAULT 'DRAFT'::text NOT NULL,
    expected_delivery_date date,
    requested_by text NOT NULL,
    reason text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    total numeric(38,6) NOT NULL,
    required_approvals integer NOT NULL,
    approval_policy jsonb NOT NULL,
    over_delivery_percent numeric(9,3) NOT NULL,
    submitted_at timestamp with time zone,
    confirmed_at timestamp with time zone,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    longest_lead_time_days numeric(9,3),
    version integer DEFAULT 1 NOT NULL,
    approvals_since integer DEFAULT 1 NOT NULL,
    approval_asked_at timestamp with time zone,
    CONSTRAINT purchase_orders_pkey PRIMARY KEY (po_id),
    CONSTRAINT purchase_orders_po_number_key UNIQUE (po_number),
    CONSTRAINT purchase_orders_requester UNIQUE (po_id, requested_by),
    CONSTRAINT purchase_orders_approvals_since_check CHECK (approvals_since >= 1 AND approvals_since <= version),
    CONSTRAINT purchase_orders_asked CHECK ((approvals_since > 1) = (approval_asked_at IS NOT NULL)),
    CONSTRAINT purchase_orders_closed CHECK ((status = ANY (ARRAY['RECEIVED'::text, 'CANCELLED'::text])) = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT purchase_orders_over_delivery_percent_check CHECK (over_delivery_percent >= 0::numeric),
    CONSTRAINT purchase_orders_po_number_check CHECK (po_number <> ''::text),
    CONSTRAINT purchase_orders_required_approvals_check CHECK (required_approvals >= 0),
    CONSTRAINT purchase_orders_status_check CHECK (status = ANY (ARRAY['DRAFT'::text, 'SUBMITTED'::text, 'CONFIRMED'::text, 'RECEIVED'::text, 'CANCELLED'::text])),
    CONSTRAINT purchase_orders_submitted CHECK (
        CASE status
            WHEN 'DRAFT'::text THEN submitted_at IS NULL
            WHEN 'CANCELLED'::text THEN true
            ELSE submitted_at IS NOT NULL
        END),
    CONSTRAINT purchase_orders_total_check CHECK (total >= 0::numeric),
    CONSTRAINT purchase_orders_version_check CHECK (version >= 1),
    CONSTRAINT purchase_orders_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id),
    CONSTRAINT purchase_orders_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX purchase_orders_by_supplier ON purchase_orders USING btree (supplier_id);
CREATE INDEX purchase_orders_folded ON purchase_orders USING btree (lower(po_number));
CREATE INDEX purchase_orders_open ON purchase_orders USING btree (warehouse_id) WHERE status = ANY (ARRAY['DRAFT'::text, 'SUBMITTED'::text, 'CONFIRMED'::text]);
CREATE INDEX purchase_orders_unstarted ON purchase_orders USING btree (po_id) WHERE run_id = ''::text;
CREATE CONSTRAINT TRIGGER purchase_orders_are_approved AFTER INSERT OR UPDATE OF status, required_approvals, approvals_since ON purchase_orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.submitted_at IS NOT NULL) EXECUTE FUNCTION require_approvals();
CREATE TRIGGER purchase_orders_are_kept_here AFTER INSERT ON purchase_orders REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
CREATE CONSTRAINT TRIGGER purchase_orders_are_their_lines AFTER UPDATE OF total, version ON purchase_orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.total <> new.total OR old.version <> new.version) EXECUTE FUNCTION require_the_total_to_be_the_lines();
GRANT INSERT, SELECT, UPDATE ON purchase_orders TO stockkeeper_worker;

CREATE TABLE recall_lines (
    recall_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    CONSTRAINT recall_lines_pkey PRIMARY KEY (recall_id, line_number),
    CONSTRAINT recall_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT recall_lines_lot FOREIGN KEY (product_id, lot_number) REFERENCES lots(product_id, lot_number),
    CONSTRAINT recall_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT recall_lines_recall_id_fkey FOREIGN KEY (recall_id) REFERENCES recalls(recall_id)
);
CREATE INDEX recall_lines_by_lot ON recall_lines USING btree (product_id, lot_number);
CREATE CONSTRAINT TRIGGER recall_lines_are_stopped AFTER INSERT ON recall_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_lot_to_be_stopped();
GRANT INSERT, SELECT ON recall_lines TO stockkeeper_worker;

CREATE TABLE recalls (
    recall_id bigint GENERATED ALWAYS AS IDENTITY,
    recall_number text NOT NULL,
    status text DEFAULT 'BLOCKED'::text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    warehouse_ids bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    stopped jsonb DEFAULT '[]'::jsonb NOT NULL,
    in_transit jsonb DEFAULT '[]'::jsonb NOT NULL,
    orders jsonb DEFAULT '[]'::jsonb NOT NULL,
    orders_total bigint DEFAULT 0 NOT NULL,
    figures jsonb DEFAULT '{}'::jsonb NOT NULL,
    expected bigint DEFAULT 0 NOT NULL,
    accounted bigint DEFAULT 0 NOT NULL,
    looked_at timestamp with time zone,
    released_by text,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT recalls_pkey PRIMARY KEY (recall_id),
    CONSTRAINT recalls_recall_number_key UNIQUE (recall_number),
    CONSTRAINT recalls_are_looked_at CHECK (status = 'BLOCKED'::text OR looked_at IS NOT NULL),
    CONSTRAINT recalls_closed CHECK ((status = 'BLOCKED'::text) = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (closed_reason IS NULL)),
    CONSTRAINT recalls_not_own CHECK (lower(released_by) <> lower(requested_by)),
    CONSTRAINT recalls_recall_number_check CHECK (recall_number <> ''::text),
    CONSTRAINT recalls_released CHECK ((status = 'RELEASED'::text) = (released_by IS NOT NULL)),
    CONSTRAINT recalls_status_check CHECK (status = ANY (ARRAY['BLOCKED'::text, 'RELEASED'::text, 'CLOSED'::text]))
);
CREATE INDEX recalls_folded ON recalls USING btree (lower(recall_number));
GRANT INSERT, SELECT, UPDATE ON recalls TO stockkeeper_worker;

CREATE TABLE refused_demand (
    operation_id text NOT NULL,
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    month date NOT NULL,
    refused_at timestamp with time zone NOT NULL,
    units bigint NOT NULL,
    CONSTRAINT refused_demand_pkey PRIMARY KEY (operation_id, warehouse_id, product_id),
    CONSTRAINT refused_demand_month_check CHECK (EXTRACT(day FROM month) = 1::numeric),
    CONSTRAINT refused_demand_units_check CHECK (units > 0),
    CONSTRAINT refused_demand_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT refused_demand_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX refused_demand_by_item ON refused_demand USING btree (warehouse_id, product_id, refused_at);
CREATE INDEX refused_demand_by_month ON refused_demand USING btree (month);
GRANT INSERT, SELECT, UPDATE ON refused_demand TO stockkeeper_worker;

CREATE TABLE refused_operations (
    operation_id text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    refusal text NOT NULL,
    refused_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT refused_operations_pkey PRIMARY KEY (operation_id)
);
CREATE INDEX refused_operations_by_age ON refused_operations USING btree (refused_at);
GRANT DELETE, INSERT, SELECT, UPDATE ON refused_operations TO stockkeeper_worker;

CREATE TABLE reorder_points (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    since timestamp with time zone NOT NULL,
    reorder_point bigint,
    CONSTRAINT reorder_points_pkey PRIMARY KEY (warehouse_id, product_id, since),
    CONSTRAINT reorder_points_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
);
GRANT SELECT ON reorder_points TO stockkeeper_worker;

CREATE TABLE replenishment_cycles (
    po_id bigint NOT NULL,
    product_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    month date NOT NULL,
    ordered_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    ran_out boolean NOT NULL,
    CONSTRAINT replenishment_cycles_pkey PRIMARY KEY (po_id, product_id),
    CONSTRAINT replenishment_cycles_month_check CHECK (EXTRACT(day FROM month) = 1::numeric),
    CONSTRAINT replenishment_cycles_po_id_fkey FOREIGN KEY (po_id) REFERENCES purchase_orders(po_id),
    CONSTRAINT replenishment_cycles_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT replenishment_cycles_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX replenishment_cycles_by_month ON replenishment_cycles USING btree (month);
GRANT INSERT, SELECT, UPDATE ON replenishment_cycles TO stockkeeper_worker;

CREATE TABLE reservation_lots (
    reservation_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    quantity_held bigint NOT NULL,
    quantity_fulfilled bigint DEFAULT 0 NOT NULL,
    CONSTRAINT reservation_lots_pkey PRIMARY KEY (reservation_id, lot_number),
    CONSTRAINT reservation_lots_quantity_fulfilled_check CHECK (quantity_fulfilled >= 0),
    CONSTRAINT reservation_lots_quantity_held_check CHECK (quantity_held >= 0),
    CONSTRAINT reservation_lots_lot FOREIGN KEY (warehouse_id, product_id, lot_number) REFERENCES lot_items(warehouse_id, product_id, lot_number),
    CONSTRAINT reservation_lots_reservation_id_fkey FOREIGN KEY (reservation_id) REFERENCES reservations(reservation_id)
);
CREATE INDEX reservation_lots_held ON reservation_lots USING btree (product_id, lot_number, warehouse_id) WHERE quantity_held > 0;
CREATE CONSTRAINT TRIGGER reservation_lots_are_available AFTER INSERT OR UPDATE OF quantity_held ON reservation_lots DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.quantity_held > 0) EXECUTE FUNCTION require_held_lots_to_be_available();
CREATE CONSTRAINT TRIGGER reservation_lots_are_their_line AFTER INSERT OR UPDATE ON reservation_lots DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_line_to_be_its_lots();
GRANT INSERT, SELECT, UPDATE ON reservation_lots TO stockkeeper_worker;

CREATE TABLE reservation_releases (
    reservation_id bigint NOT NULL,
    operation_id text NOT NULL,
    quantity bigint NOT NULL,
    released_at timestamp with time zone NOT NULL,
    released_by text NOT NULL,
    reason text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT reservation_releases_pkey PRIMARY KEY (reservation_id, operation_id),
    CONSTRAINT reservation_releases_quantity_check CHECK (quantity > 0),
    CONSTRAINT reservation_releases_reservation_id_fkey FOREIGN KEY (reservation_id) REFERENCES reservations(reservation_id)
);
CREATE TRIGGER reservation_releases_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON reservation_releases
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE CONSTRAINT TRIGGER reservation_releases_are_on_the_line AFTER INSERT ON reservation_releases DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_releases_to_be_on_the_line();
GRANT INSERT, SELECT ON reservation_releases TO stockkeeper_worker;

CREATE TABLE reservations (
    reservation_id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    quantity bigint NOT NULL,
    quantity_fulfilled bigint DEFAULT 0 NOT NULL,
    reference_type text NOT NULL,
    reference_id text NOT NULL,
    status text DEFAULT 'ACTIVE'::text NOT NULL,
    expires_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    performed_by text NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    quantity_released bigint DEFAULT 0 NOT NULL,
    sourced_line integer,
    minimum_days_left integer,
    CONSTRAINT reservations_pkey PRIMARY KEY (reservation_id),
    CONSTRAINT reservations_closed_by_someone CHECK ((status = 'ACTIVE'::text) = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT reservations_fulfilled_whole CHECK ((status = 'FULFILLED'::text) = ((quantity_fulfilled + quantity_released) = quantity)),
    CONSTRAINT reservations_fulfilled_within CHECK (quantity_fulfilled >= 0 AND quantity_released >= 0 AND (quantity_fulfilled + quantity_released) <= quantity),
    CONSTRAINT reservations_minimum_days_left_check CHECK (minimum_days_left >= 0),
    CONSTRAINT reservations_quantity_check CHECK (quantity > 0),
    CONSTRAINT reservations_reference_type_check CHECK (reference_type = ANY (ARRAY['ORDER'::text, 'TRANSFER'::text])),
    CONSTRAINT reservations_sourced_line_check CHECK (sourced_line IS NULL OR sourced_line > 0 AND reference_type = 'ORDER'::text),
    CONSTRAINT reservations_status_check CHECK (status = ANY (ARRAY['ACTIVE'::text, 'FULFILLED'::text, 'CANCELLED'::text, 'EXPIRED'::text])),
    CONSTRAINT reservations_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
) WITH (fillfactor=90);
CREATE INDEX reservations_by_item ON reservations USING btree (warehouse_id, product_id, created_at);
CREATE INDEX reservations_by_reference ON reservations USING btree (reference_type, reference_id);
CREATE INDEX reservations_open_by_item ON reservations USING btree (warehouse_id, product_id, expires_at) WHERE status = 'ACTIVE'::text;
CREATE CONSTRAINT TRIGGER reservations_are_released AFTER UPDATE OF quantity_released ON reservations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (old.quantity_released <> new.quantity_released) EXECUTE FUNCTION require_releases_to_be_on_the_line();
GRANT INSERT, SELECT, UPDATE ON reservations TO stockkeeper_worker;

CREATE TABLE return_inspection_lines (
    return_id bigint NOT NULL,
    inspection_id text NOT NULL,
    line_number integer NOT NULL,
    restocked bigint NOT NULL,
    scrapped bigint NOT NULL,
    CONSTRAINT return_inspection_lines_pkey PRIMARY KEY (return_id, line_number, inspection_id),
    CONSTRAINT return_inspection_lines_restocked_check CHECK (restocked >= 0),
    CONSTRAINT return_inspection_lines_scrapped_check CHECK (scrapped >= 0),
    CONSTRAINT return_inspection_lines_something CHECK ((restocked + scrapped) > 0),
    CONSTRAINT return_inspection_lines_inspection FOREIGN KEY (return_id, inspection_id) REFERENCES return_inspections(return_id, inspection_id),
    CONSTRAINT return_inspection_lines_line FOREIGN KEY (return_id, line_number) REFERENCES return_lines(return_id, line_number)
);
CREATE CONSTRAINT TRIGGER return_inspection_lines_are_booked AFTER INSERT ON return_inspection_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_return_to_be_booked();
GRANT INSERT, SELECT ON return_inspection_lines TO stockkeeper_worker;

CREATE TABLE return_inspection_lots (
    return_id bigint NOT NULL,
    inspection_id text NOT NULL,
    line_number integer NOT NULL,
    lot_number text NOT NULL,
    restocked bigint NOT NULL,
    scrapped bigint NOT NULL,
    CONSTRAINT return_inspection_lots_pkey PRIMARY KEY (return_id, inspection_id, line_number, lot_number),
    CONSTRAINT return_inspection_lots_restocked_check CHECK (restocked >= 0),
    CONSTRAINT return_inspection_lots_scrapped_check CHECK (scrapped >= 0),
    CONSTRAINT return_inspection_lots_something CHECK ((restocked + scrapped) > 0),
    CONSTRAINT return_inspection_lots_line FOREIGN KEY (return_id, line_number, inspection_id) REFERENCES return_inspection_lines(return_id, line_number, inspection_id)
);
CREATE INDEX return_inspection_lots_by_lot ON return_inspection_lots USING btree (lot_number);
CREATE TRIGGER return_inspection_lots_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON return_inspection_lots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE CONSTRAINT TRIGGER return_inspection_lots_are_booked AFTER INSERT ON return_inspection_lots DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_lots_of_a_return_to_be_booked();
GRANT INSERT, SELECT ON return_inspection_lots TO stockkeeper_worker;

CREATE TABLE return_inspections (
    return_id bigint NOT NULL,
    inspection_id text NOT NULL,
    inspected_at timestamp with time zone NOT NULL,
    inspected_by text NOT NULL,
    operation_id text NOT NULL,
    booked_at timestamp with time zone DEFAULT clock_timestamp(),
    CONSTRAINT return_inspections_pkey PRIMARY KEY (return_id, inspection_id),
    CONSTRAINT return_inspections_return_id_fkey FOREIGN KEY (return_id) REFERENCES returns(return_id)
);
CREATE INDEX return_inspections_by_time ON return_inspections USING btree (COALESCE(booked_at, inspected_at));
GRANT INSERT, SELECT ON return_inspections TO stockkeeper_worker;

CREATE TABLE return_lines (
    return_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    restocked bigint DEFAULT 0 NOT NULL,
    scrapped bigint DEFAULT 0 NOT NULL,
    lot_number text,
    expires_on date,
    best_before date,
    made_on date,
    CONSTRAINT return_lines_pkey PRIMARY KEY (return_id, line_number),
    CONSTRAINT return_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT return_lines_lot CHECK (lot_number IS NOT NULL OR num_nonnulls(expires_on, best_before, made_on) = 0),
    CONSTRAINT return_lines_not_too_much CHECK ((restocked + scrapped) <= quantity),
    CONSTRAINT return_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT return_lines_restocked_check CHECK (restocked >= 0),
    CONSTRAINT return_lines_scrapped_check CHECK (scrapped >= 0),
    CONSTRAINT return_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT return_lines_return_id_fkey FOREIGN KEY (return_id) REFERENCES returns(return_id)
);
CREATE CONSTRAINT TRIGGER return_lines_are_booked AFTER INSERT OR UPDATE ON return_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_return_to_be_booked();
CREATE CONSTRAINT TRIGGER return_lines_are_in_their_return AFTER UPDATE ON return_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((new.restocked + new.scrapped) = new.quantity) EXECUTE FUNCTION require_the_return_to_be_its_lines();
GRANT INSERT, SELECT, UPDATE ON return_lines TO stockkeeper_worker;

CREATE TABLE returns (
    return_id bigint GENERATED ALWAYS AS IDENTITY,
    return_number text NOT NULL,
    warehouse_id bigint NOT NULL,
    reference_id text NOT NULL,
    status text DEFAULT 'EXPECTED'::text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT returns_pkey PRIMARY KEY (return_id),
    CONSTRAINT returns_return_number_key UNIQUE (return_number),
    CONSTRAINT returns_closed CHECK ((status = 'EXPECTED'::text) = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT returns_return_number_check CHECK (return_number <> ''::text),
    CONSTRAINT returns_status_check CHECK (status = ANY (ARRAY['EXPECTED'::text, 'INSPECTED'::text, 'CANCELLED'::text])),
    CONSTRAINT returns_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX returns_by_reference ON returns USING btree (reference_id);
CREATE INDEX returns_folded ON returns USING btree (lower(return_number));
CREATE TRIGGER returns_are_kept_here AFTER INSERT ON returns REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_warehouses_elsewhere();
CREATE CONSTRAINT TRIGGER returns_are_their_lines AFTER INSERT OR UPDATE ON returns DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_return_to_be_its_lines();
GRANT INSERT, SELECT, UPDATE ON returns TO stockkeeper_worker;

CREATE TABLE schema_revisions (
    revision text NOT NULL,
    serves_older_workers boolean NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_revisions_pkey PRIMARY KEY (revision)
);
GRANT SELECT ON schema_revisions TO stockkeeper_worker;

CREATE TABLE stated_lots (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text NOT NULL,
    import_id text NOT NULL,
    CONSTRAINT stated_lots_pkey PRIMARY KEY (warehouse_id, product_id, lot_number),
    CONSTRAINT stated_lots_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
);
GRANT INSERT, SELECT, UPDATE ON stated_lots TO stockkeeper_worker;

CREATE TABLE stated_quantities (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    import_id text NOT NULL,
    CONSTRAINT stated_quantities_pkey PRIMARY KEY (warehouse_id, product_id),
    CONSTRAINT stated_quantities_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
);
GRANT INSERT, SELECT, UPDATE ON stated_quantities TO stockkeeper_worker;

CREATE TABLE stock_movements (
    movement_id bigint GENERATED ALWAYS AS IDENTITY,
    product_id bigint NOT NULL,
    warehouse_id bigint NOT NULL,
    movement_type text NOT NULL,
    quantity bigint NOT NULL,
    balance_after bigint NOT NULL,
    reference_id text NOT NULL,
    performed_by text NOT NULL,
    reason text NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    occurred_at timestamp with time zone,
    lot_number text,
    lot_balance_after bigint,
    CONSTRAINT stock_movements_pkey PRIMARY KEY (movement_id),
    CONSTRAINT stock_movements_balance CHECK ((balance_after - quantity) >= 0),
    CONSTRAINT stock_movements_balance_after_check CHECK (balance_after >= 0),
    CONSTRAINT stock_movements_direction CHECK (
        CASE movement_type
            WHEN 'RETURN'::text THEN quantity > 0
            WHEN 'TRANSFER_IN'::text THEN quantity > 0
            WHEN 'SALE'::text THEN quantity < 0
            WHEN 'TRANSFER_OUT'::text THEN quantity < 0
            ELSE true
        END),
    CONSTRAINT stock_movements_lot_balance CHECK ((lot_number IS NULL) = (lot_balance_after IS NULL) AND (lot_balance_after - quantity) >= 0),
    CONSTRAINT stock_movements_lot_balance_after_check CHECK (lot_balance_after >= 0),
    CONSTRAINT stock_movements_movement_type_check CHECK (movement_type = ANY (ARRAY['PURCHASE'::text, 'SALE'::text, 'RETURN'::text, 'ADJUSTMENT'::text, 'TRANSFER_IN'::text, 'TRANSFER_OUT'::text])),
    CONSTRAINT stock_movements_occurred CHECK (occurred_at <= created_at),
    CONSTRAINT stock_movements_quantity_check CHECK (quantity <> 0),
    CONSTRAINT stock_movements_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id),
    CONSTRAINT stock_movements_lot FOREIGN KEY (warehouse_id, product_id, lot_number) REFERENCES lot_items(warehouse_id, product_id, lot_number)
);
CREATE INDEX stock_movements_booked_later ON stock_movements USING btree (warehouse_id, product_id, occurred_at) WHERE occurred_at IS NOT NULL;
CREATE INDEX stock_movements_by_item ON stock_movements USING btree (warehouse_id, product_id, created_at, movement_id);
CREATE INDEX stock_movements_by_lot ON stock_movements USING btree (product_id, lot_number, warehouse_id, created_at, movement_id) WHERE lot_number IS NOT NULL;
CREATE INDEX stock_movements_by_reference ON stock_movements USING btree (reference_id);
CREATE INDEX stock_movements_by_time ON stock_movements USING brin (created_at) WITH (pages_per_range='32', autosummarize='on');
CREATE TRIGGER stock_movements_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON stock_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE CONSTRAINT TRIGGER stock_movements_are_on_hand AFTER INSERT ON stock_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_on_hand_to_be_the_ledger();
CREATE CONSTRAINT TRIGGER stock_movements_are_on_hand_in_their_lot AFTER INSERT ON stock_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.lot_number IS NOT NULL) EXECUTE FUNCTION require_the_lot_to_be_its_movements();
CREATE CONSTRAINT TRIGGER stock_movements_follow_each_other AFTER INSERT ON stock_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_the_movement_to_follow();
CREATE CONSTRAINT TRIGGER stock_movements_follow_in_their_lot AFTER INSERT ON stock_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.lot_number IS NOT NULL) EXECUTE FUNCTION require_the_movement_to_follow_in_its_lot();
CREATE CONSTRAINT TRIGGER stock_movements_take_back AFTER INSERT ON stock_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.movement_type = 'PURCHASE'::text AND new.quantity < 0) EXECUTE FUNCTION require_what_is_taken_back_to_be_booked();
GRANT INSERT, SELECT ON stock_movements TO stockkeeper_worker;

CREATE TABLE supplier_lead_times (
    po_id bigint NOT NULL,
    product_id bigint NOT NULL,
    supplier_id bigint NOT NULL,
    lead_time_days numeric(12,6) NOT NULL,
    CONSTRAINT supplier_lead_times_pkey PRIMARY KEY (po_id, product_id),
    CONSTRAINT supplier_lead_times_lead_time_days_check CHECK (lead_time_days >= 0::numeric),
    CONSTRAINT supplier_lead_times_po_id_fkey FOREIGN KEY (po_id) REFERENCES purchase_orders(po_id),
    CONSTRAINT supplier_lead_times_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT supplier_lead_times_supplier_id_fkey FOREIGN KEY (supplier_id) REFERENCES suppliers(supplier_id)
);
CREATE INDEX supplier_lead_times_of ON supplier_lead_times USING btree (supplier_id, product_id);
GRANT INSERT, SELECT ON supplier_lead_times TO stockkeeper_worker;

CREATE TABLE suppliers (
    supplier_id bigint GENERATED BY DEFAULT AS IDENTITY,
    name text NOT NULL,
    email text,
    review_days text,
    minimum_order_value numeric(18,6),
    joint_orders boolean DEFAULT false NOT NULL,
    line_cost numeric(18,6),
    CONSTRAINT suppliers_pkey PRIMARY KEY (supplier_id),
    CONSTRAINT suppliers_name_key UNIQUE (name),
    CONSTRAINT suppliers_line_cost_check CHECK (line_cost >= 0::numeric),
    CONSTRAINT suppliers_minimum_order_value_check CHECK (minimum_order_value >= 0::numeric),
    CONSTRAINT suppliers_name_check CHECK (name <> ''::text),
    CONSTRAINT suppliers_review_days_check CHECK (review_days ~ '^(mon|tue|wed|thu|fri|sat|sun)(,(mon|tue|wed|thu|fri|sat|sun)){0,6}$'::text)
);
CREATE INDEX suppliers_name_in_any_case ON suppliers USING btree (lower(name));
CREATE TRIGGER suppliers_are_of_the_catalogue BEFORE INSERT OR DELETE OR UPDATE ON suppliers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER suppliers_have_no_twins BEFORE INSERT OR UPDATE OF name ON suppliers
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('name');
GRANT INSERT, SELECT, UPDATE ON suppliers TO stockkeeper_worker;

CREATE TABLE this_database (
    is_this boolean DEFAULT true NOT NULL,
    task_queue text NOT NULL,
    catalogue text NOT NULL,
    CONSTRAINT this_database_pkey PRIMARY KEY (is_this),
    CONSTRAINT this_database_catalogue_check CHECK (catalogue <> ''::text),
    CONSTRAINT this_database_is_this_check CHECK (is_this),
    CONSTRAINT this_database_task_queue_check CHECK (task_queue <> ''::text)
);
GRANT SELECT ON this_database TO stockkeeper_worker;

CREATE TABLE transfer_order_lines (
    transfer_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    quantity bigint NOT NULL,
    received bigint DEFAULT 0 NOT NULL,
    damaged bigint DEFAULT 0 NOT NULL,
    written_off bigint DEFAULT 0 NOT NULL,
    dispatched bigint DEFAULT 0 NOT NULL,
    returned bigint DEFAULT 0 NOT NULL,
    in_transit bigint DEFAULT 0 NOT NULL,
    held_elsewhere bigint DEFAULT 0 NOT NULL,
    CONSTRAINT transfer_order_lines_pkey PRIMARY KEY (transfer_id, line_number),
    CONSTRAINT transfer_order_lines_conserve CHECK (dispatched = (received + damaged + written_off + returned + in_transit)),
    CONSTRAINT transfer_order_lines_damaged_check CHECK (damaged >= 0),
    CONSTRAINT transfer_order_lines_held_elsewhere_check CHECK (held_elsewhere >= 0),
    CONSTRAINT transfer_order_lines_in_transit_check CHECK (in_transit >= 0),
    CONSTRAINT transfer_order_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT transfer_order_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT transfer_order_lines_received_check CHECK (received >= 0),
    CONSTRAINT transfer_order_lines_returned_check CHECK (returned >= 0),
    CONSTRAINT transfer_order_lines_whole CHECK (dispatched <= quantity),
    CONSTRAINT transfer_order_lines_written_off_check CHECK (written_off >= 0),
    CONSTRAINT transfer_order_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT transfer_order_lines_transfer_id_fkey FOREIGN KEY (transfer_id) REFERENCES transfer_orders(transfer_id)
);
CREATE INDEX transfer_order_lines_in_transit ON transfer_order_lines USING btree (product_id) WHERE in_transit > 0;
CREATE CONSTRAINT TRIGGER transfer_order_lines_are_in_transit AFTER UPDATE OF in_transit ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((old.in_transit > 0) <> (new.in_transit > 0)) EXECUTE FUNCTION require_transit_while_in_transit();
CREATE CONSTRAINT TRIGGER transfer_order_lines_are_their_movements AFTER UPDATE ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_transit_to_be_its_movements();
CREATE CONSTRAINT TRIGGER transfer_order_lines_begin_in_transit AFTER INSERT ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.in_transit > 0) EXECUTE FUNCTION require_transit_while_in_transit();
CREATE CONSTRAINT TRIGGER transfer_order_lines_begin_with_movements AFTER INSERT ON transfer_order_lines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.dispatched <> 0) EXECUTE FUNCTION require_transit_to_be_its_movements();
GRANT INSERT, SELECT, UPDATE ON transfer_order_lines TO stockkeeper_worker;

CREATE TABLE transfer_orders (
    transfer_id bigint GENERATED ALWAYS AS IDENTITY,
    transfer_number text NOT NULL,
    from_warehouse_id bigint NOT NULL,
    to_warehouse_id bigint NOT NULL,
    status text DEFAULT 'PENDING'::text NOT NULL,
    requested_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expected_transit_hours double precision,
    dispatched_at timestamp with time zone,
    due_at timestamp with time zone,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    source_at text,
    destination_at text,
    mirrored_as_of timestamp with time zone,
    CONSTRAINT transfer_orders_pkey PRIMARY KEY (transfer_id),
    CONSTRAINT transfer_orders_transfer_number_key UNIQUE (transfer_number),
    CONSTRAINT transfer_orders_closed CHECK ((status = ANY (ARRAY['RECEIVED'::text, 'CANCELLED'::text])) = (closed_at IS NOT NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT transfer_orders_dispatched CHECK (
        CASE status
            WHEN 'PENDING'::text THEN dispatched_at IS NULL
            WHEN 'CANCELLED'::text THEN true
            ELSE dispatched_at IS NOT NULL
        END),
    CONSTRAINT transfer_orders_due CHECK ((due_at IS NOT NULL) = (dispatched_at IS NOT NULL AND expected_transit_hours IS NOT NULL)),
    CONSTRAINT transfer_orders_expected_transit_hours_check CHECK (expected_transit_hours > 0::double precision),
    CONSTRAINT transfer_orders_kept_here CHECK (source_at IS NULL OR destination_at IS NULL),
    CONSTRAINT transfer_orders_status_check CHECK (status = ANY (ARRAY['PENDING'::text, 'IN_TRANSIT'::text, 'RECEIVED'::text, 'CANCELLED'::text])),
    CONSTRAINT transfer_orders_transfer_number_check CHECK (transfer_number <> ''::text),
    CONSTRAINT transfer_orders_two_places CHECK (from_warehouse_id <> to_warehouse_id),
    CONSTRAINT transfer_orders_from_warehouse_id_fkey FOREIGN KEY (from_warehouse_id) REFERENCES warehouses(warehouse_id),
    CONSTRAINT transfer_orders_to_warehouse_id_fkey FOREIGN KEY (to_warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX transfer_orders_folded ON transfer_orders USING btree (lower(transfer_number));
CREATE CONSTRAINT TRIGGER transfer_orders_are_in_transit AFTER INSERT OR UPDATE ON transfer_orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_transit_while_in_transit();
CREATE TRIGGER transfer_orders_are_kept_here AFTER INSERT ON transfer_orders REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION require_transfers_to_have_an_end_here();
GRANT INSERT, SELECT, UPDATE ON transfer_orders TO stockkeeper_worker;

CREATE TABLE transit_movements (
    transit_movement_id bigint GENERATED ALWAYS AS IDENTITY,
    transfer_id bigint NOT NULL,
    line_number integer NOT NULL,
    kind text NOT NULL,
    quantity bigint NOT NULL,
    balance_after bigint NOT NULL,
    receipt_id text,
    performed_by text NOT NULL,
    reason text NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    command_id text,
    lot_number text,
    unfit_reason text,
    CONSTRAINT transit_movements_pkey PRIMARY KEY (transit_movement_id),
    CONSTRAINT transit_movements_balance_after_check CHECK (balance_after >= 0),
    CONSTRAINT transit_movements_command CHECK (command_id IS NULL OR (kind = ANY (ARRAY['DISPATCHED'::text, 'WRITTEN_OFF'::text]))),
    CONSTRAINT transit_movements_direction CHECK (
        CASE kind
            WHEN 'DISPATCHED'::text THEN quantity > 0
            ELSE quantity < 0
        END),
    CONSTRAINT transit_movements_kind_check CHECK (kind = ANY (ARRAY['DISPATCHED'::text, 'RECEIVED'::text, 'DAMAGED'::text, 'WRITTEN_OFF'::text, 'RETURNED'::text])),
    CONSTRAINT transit_movements_receipt CHECK ((kind = ANY (ARRAY['RECEIVED'::text, 'DAMAGED'::text])) = (receipt_id IS NOT NULL)),
    CONSTRAINT transit_movements_unfit_reason CHECK (unfit_reason IS NULL OR unfit_reason <> ''::text AND kind = 'DAMAGED'::text),
    CONSTRAINT transit_movements_line FOREIGN KEY (transfer_id, line_number) REFERENCES transfer_order_lines(transfer_id, line_number)
);
CREATE INDEX transit_movements_by_lot ON transit_movements USING btree (lot_number, transfer_id) WHERE lot_number IS NOT NULL;
CREATE INDEX transit_movements_by_time ON transit_movements USING brin (created_at) WITH (autosummarize='on');
CREATE UNIQUE INDEX transit_movements_once ON transit_movements USING btree (transfer_id, line_number, kind, COALESCE(receipt_id, operation_id), COALESCE(lot_number, ''::text));
CREATE TRIGGER transit_movements_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON transit_movements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_past();
CREATE TRIGGER transit_movements_are_on_a_line AFTER INSERT ON transit_movements REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION require_movements_in_transit_to_be_on_a_line();
CREATE TRIGGER transit_movements_have_left_in_their_lot AFTER INSERT ON transit_movements REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION require_lots_in_transit_to_have_left();
CREATE CONSTRAINT TRIGGER transit_movements_were_held AFTER INSERT ON transit_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.kind = 'DISPATCHED'::text) EXECUTE FUNCTION require_departures_to_be_from_the_hold();
CREATE CONSTRAINT TRIGGER transit_movements_were_held_in_their_lot AFTER INSERT ON transit_movements DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.kind = 'DISPATCHED'::text AND new.lot_number IS NOT NULL) EXECUTE FUNCTION require_departures_to_be_of_held_lots();
GRANT INSERT, SELECT ON transit_movements TO stockkeeper_worker;

CREATE TABLE unavailable_stock (
    warehouse_id bigint NOT NULL,
    product_id bigint NOT NULL,
    lot_number text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    quantity bigint NOT NULL,
    CONSTRAINT unavailable_stock_pkey PRIMARY KEY (warehouse_id, product_id, lot_number, state),
    CONSTRAINT unavailable_stock_quantity_check CHECK (quantity >= 0),
    CONSTRAINT unavailable_stock_state_check CHECK (state = ANY (ARRAY['QUARANTINE'::text, 'DAMAGED'::text, 'QUALITY_CONTROL'::text, 'SAFETY'::text])),
    CONSTRAINT unavailable_stock_item FOREIGN KEY (warehouse_id, product_id) REFERENCES inventory_items(warehouse_id, product_id)
);
CREATE CONSTRAINT TRIGGER unavailable_stock_is_inspected AFTER UPDATE ON unavailable_stock DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.quantity < old.quantity) EXECUTE FUNCTION require_inspected_units_to_be_set_aside();
CREATE CONSTRAINT TRIGGER unavailable_stock_is_of_its_item AFTER INSERT OR UPDATE ON unavailable_stock DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION require_unavailable_units_to_have_a_state();
CREATE CONSTRAINT TRIGGER unavailable_stock_is_of_its_lot AFTER INSERT OR UPDATE ON unavailable_stock DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.lot_number <> ''::text) EXECUTE FUNCTION require_unavailable_units_of_a_lot_to_have_a_state();
GRANT INSERT, SELECT, UPDATE ON unavailable_stock TO stockkeeper_worker;

CREATE TABLE waiting_lines (
    wait_id bigint NOT NULL,
    line_number integer NOT NULL,
    product_id bigint NOT NULL,
    warehouse_id bigint,
    quantity bigint NOT NULL,
    is_waiting boolean DEFAULT true NOT NULL,
    CONSTRAINT waiting_lines_pkey PRIMARY KEY (wait_id, line_number),
    CONSTRAINT waiting_lines_line_number_check CHECK (line_number > 0),
    CONSTRAINT waiting_lines_quantity_check CHECK (quantity > 0),
    CONSTRAINT waiting_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products(product_id),
    CONSTRAINT waiting_lines_wait FOREIGN KEY (wait_id, is_waiting) REFERENCES waits(wait_id, is_waiting) ON UPDATE CASCADE,
    CONSTRAINT waiting_lines_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE INDEX waiting_lines_queue ON waiting_lines USING btree (product_id, wait_id) WHERE is_waiting;
CREATE TRIGGER waiting_lines_tell_who_waits AFTER UPDATE OF is_waiting ON waiting_lines
    FOR EACH ROW WHEN (old.is_waiting AND NOT new.is_waiting) EXECUTE FUNCTION tell_who_waits();
GRANT INSERT, SELECT ON waiting_lines TO stockkeeper_worker;

CREATE TABLE waits (
    wait_id bigint NOT NULL,
    reference_id text NOT NULL,
    status text DEFAULT 'WAITING'::text NOT NULL,
    waiting_since timestamp with time zone NOT NULL,
    waiting_until timestamp with time zone NOT NULL,
    told_at timestamp with time zone,
    performed_by text NOT NULL,
    operation_id text NOT NULL,
    workflow_id text NOT NULL,
    run_id text NOT NULL,
    closed_at timestamp with time zone,
    closed_by text,
    closed_reason text,
    shortages jsonb,
    is_waiting boolean GENERATED ALWAYS AS ((status = 'WAITING'::text)) STORED NOT NULL,
    CONSTRAINT waits_pkey PRIMARY KEY (wait_id),
    CONSTRAINT waits_are_or_were UNIQUE (wait_id, is_waiting),
    CONSTRAINT waits_closed_by_someone CHECK (is_waiting = (closed_at IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)),
    CONSTRAINT waits_status_check CHECK (status = ANY (ARRAY['WAITING'::text, 'HELD'::text, 'CANCELLED'::text, 'REJECTED'::text, 'ABANDONED'::text]))
);
CREATE INDEX waits_by_reference ON waits USING btree (reference_id, wait_id);
CREATE UNIQUE INDEX waits_once ON waits USING btree (reference_id) WHERE is_waiting;
GRANT INSERT, SELECT, UPDATE (status, told_at, run_id, closed_at, closed_by, closed_reason, shortages) ON waits TO stockkeeper_worker;

CREATE TABLE warehouse_hindsights (
    warehouse_id bigint NOT NULL,
    as_of timestamp with time zone NOT NULL,
    history_days integer NOT NULL,
    service_level double precision NOT NULL,
    bulk_factor double precision,
    spread_a double precision,
    spread_b double precision,
    spread_c double precision,
    spread_least double precision,
    spread_most double precision,
    spread_days double precision,
    widening double precision NOT NULL,
    items integer NOT NULL,
    orders double precision NOT NULL,
    reached double precision NOT NULL,
    CONSTRAINT warehouse_hindsights_pkey PRIMARY KEY (warehouse_id),
    CONSTRAINT warehouse_hindsights_history_days_check CHECK (history_days > 0),
    CONSTRAINT warehouse_hindsights_items_check CHECK (items >= 0),
    CONSTRAINT warehouse_hindsights_orders_check CHECK (orders >= 0::double precision),
    CONSTRAINT warehouse_hindsights_reached_check CHECK (reached >= 0::double precision AND reached <= 1::double precision),
    CONSTRAINT warehouse_hindsights_service_level_check CHECK (service_level > 0::double precision AND service_level < 1::double precision),
    CONSTRAINT warehouse_hindsights_spread_check CHECK (num_nulls(spread_a, spread_b, spread_c, spread_least, spread_most, spread_days) = ANY (ARRAY[0, 6])),
    CONSTRAINT warehouse_hindsights_widening_check CHECK (widening >= 1::double precision),
    CONSTRAINT warehouse_hindsights_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
GRANT INSERT, SELECT, UPDATE ON warehouse_hindsights TO stockkeeper_worker;

CREATE TABLE warehouse_homes (
    warehouse_id bigint NOT NULL,
    task_queue text NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    CONSTRAINT warehouse_homes_pkey PRIMARY KEY (warehouse_id),
    CONSTRAINT warehouse_homes_task_queue_check CHECK (task_queue <> ''::text),
    CONSTRAINT warehouse_homes_version_check CHECK (version > 0),
    CONSTRAINT warehouse_homes_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
CREATE TRIGGER warehouse_homes_stay BEFORE INSERT OR DELETE OR UPDATE ON warehouse_homes
    FOR EACH ROW EXECUTE FUNCTION require_a_home_to_stay();
GRANT SELECT ON warehouse_homes TO stockkeeper_worker;

CREATE TABLE warehouse_moves (
    warehouse_id bigint NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL,
    task_queue text NOT NULL,
    other text NOT NULL,
    CONSTRAINT warehouse_moves_pkey PRIMARY KEY (warehouse_id),
    CONSTRAINT warehouse_moves_other_check CHECK (other <> ''::text),
    CONSTRAINT warehouse_moves_state_check CHECK (state = ANY (ARRAY['LEAVING'::text, 'DRAINING'::text, 'GONE'::text, 'EXPECTED'::text, 'ARRIVING'::text, 'HERE'::text])),
    CONSTRAINT warehouse_moves_task_queue_check CHECK (task_queue <> ''::text),
    CONSTRAINT warehouse_moves_version_check CHECK (version > 0),
    CONSTRAINT warehouse_moves_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES warehouses(warehouse_id)
);
GRANT SELECT ON warehouse_moves TO stockkeeper_worker;

CREATE TABLE warehouses (
    warehouse_id bigint GENERATED BY DEFAULT AS IDENTITY,
    name text NOT NULL,
    address text,
    timezone text DEFAULT 'UTC'::text NOT NULL,
    capacity_sqft numeric(18,2),
    priority integer DEFAULT 100 NOT NULL,
    CONSTRAINT warehouses_pkey PRIMARY KEY (warehouse_id),
    CONSTRAINT warehouses_name_key UNIQUE (name),
    CONSTRAINT warehouses_capacity_sqft_check CHECK (capacity_sqft >= 0::numeric),
    CONSTRAINT warehouses_name_check CHECK (name <> ''::text),
    CONSTRAINT warehouses_priority_check CHECK (priority >= 0)
);
CREATE INDEX warehouses_name_in_any_case ON warehouses USING btree (lower(name));
CREATE TRIGGER warehouses_are_of_the_catalogue BEFORE INSERT OR DELETE OR UPDATE ON warehouses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_another_catalogue();
CREATE TRIGGER warehouses_have_no_twins BEFORE INSERT OR UPDATE OF name ON warehouses
    FOR EACH ROW EXECUTE FUNCTION refuse_a_twin('name');
GRANT INSERT, SELECT, UPDATE ON warehouses TO stockkeeper_worker;

GRANT UPDATE ON SEQUENCE products_product_id_seq TO stockkeeper_worker;

CREATE SEQUENCE reorder_numbers;
GRANT USAGE ON SEQUENCE reorder_numbers TO stockkeeper_worker;

GRANT USAGE ON SEQUENCE reservations_reservation_id_seq TO stockkeeper_worker;

GRANT UPDATE ON SEQUENCE suppliers_supplier_id_seq TO stockkeeper_worker;

GRANT UPDATE ON SEQUENCE warehouses_warehouse_id_seq TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION are_price_breaks(given jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
 SELECT ((count(*) > 0) AND bool_and(COALESCE(((listed.quantity > COALESCE(listed.before, (1)::bigint)) AND (listed.unit_cost >= (0)::numeric)), false)))
    FROM ( SELECT each.quantity,
             each.unit_cost,
             lag(each.quantity) OVER (ORDER BY each.place) AS before
            FROM ROWS FROM(jsonb_to_recordset(
                 CASE jsonb_typeof(are_price_breaks.given)
                     WHEN 'array'::text THEN are_price_breaks.given
                     ELSE '[]'::jsonb
                 END) AS (quantity bigint, unit_cost numeric)) WITH ORDINALITY each(quantity, unit_cost, place)) listed;
END;
GRANT EXECUTE ON FUNCTION are_price_breaks(jsonb) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION balance_at(warehouse bigint, product bigint, instant timestamp with time zone)
 RETURNS TABLE(balance_after bigint, created_at timestamp with time zone)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT moved.balance_after, moved.created_at FROM stock_movements AS moved
    WHERE moved.warehouse_id = warehouse AND moved.product_id = product AND moved.created_at <= instant
    ORDER BY moved.created_at DESC, moved.movement_id DESC LIMIT 1
$function$;
GRANT EXECUTE ON FUNCTION balance_at(bigint,bigint,timestamp with time zone) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION base_unit_is_needed_by(product bigint)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE STRICT
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (EXISTS ( SELECT
                FROM inventory_items
               WHERE ((inventory_items.product_id = base_unit_is_needed_by.product) AND ((inventory_items.last_moved_at IS NOT NULL) OR (inventory_items.quantity_on_hand <> 0))))) THEN 'its stock has moved'::text
             WHEN (EXISTS ( SELECT
                FROM (purchase_order_lines
                  JOIN purchase_orders USING (po_id))
               WHERE ((purchase_order_lines.product_id = base_unit_is_needed_by.product) AND (purchase_orders.status = ANY (ARRAY['DRAFT'::text, 'SUBMITTED'::text, 'CONFIRMED'::text]))))) THEN 'it is on an open purchase order'::text
             WHEN (EXISTS ( SELECT
                FROM waiting_lines
               WHERE ((waiting_lines.product_id = base_unit_is_needed_by.product) AND waiting_lines.is_waiting))) THEN 'an order waits for it'::text
             WHEN (EXISTS ( SELECT
                FROM cycle_count_lines
               WHERE ((cycle_count_lines.product_id = base_unit_is_needed_by.product) AND (cycle_count_lines.status = ANY (ARRAY['COUNTING'::text, 'REVIEW'::text]))))) THEN 'it is being counted'::text
             WHEN (EXISTS ( SELECT
                FROM (adjustments
                  JOIN adjustment_lines USING (adjustment_id))
               WHERE ((adjustments.status = 'PENDING'::text) AND (adjustment_lines.product_id = base_unit_is_needed_by.product)))) THEN 'an adjustment of it waits for approval'::text
             WHEN (EXISTS ( SELECT
                FROM (returns
                  JOIN return_lines USING (return_id))
               WHERE ((returns.status = 'EXPECTED'::text) AND (return_lines.product_id = base_unit_is_needed_by.product)))) THEN 'a return of it is expected'::text
             WHEN (EXISTS ( SELECT
                FROM (warehouses
                  JOIN imported_demand USING (warehouse_id))
               WHERE (imported_demand.product_id = base_unit_is_needed_by.product))) THEN 'demand of it was imported'::text
             WHEN (EXISTS ( SELECT
                FROM product_units
               WHERE ((product_units.product_id = base_unit_is_needed_by.product) AND (product_units.quantity IS NOT NULL)))) THEN 'it has packs (import units with an empty quantity takes one away)'::text
             WHEN (EXISTS ( SELECT
                FROM product_barcodes
               WHERE ((product_barcodes.product_id = base_unit_is_needed_by.product) AND (product_barcodes.quantity > 1)))) THEN 'barcodes of it have quantities'::text
             ELSE NULL::text
         END AS "case";
END;
GRANT EXECUTE ON FUNCTION base_unit_is_needed_by(bigint) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION begin_events_anew(occasion text, teller text, why text, days jsonb DEFAULT '{}'::jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    anew bigint;
BEGIN
    SELECT greatest(last_number + 1, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint) INTO STRICT anew
    FROM event_log FOR UPDATE;
    DELETE FROM outbox;
    DELETE FROM events;
    UPDATE event_log SET last_number = anew, forgotten_number = anew;
    PERFORM tell_what_is_there(NULL, occasion, teller, why, days);
    PERFORM pg_notify('stockkeeper_events', anew::text);
    RETURN anew;
END $function$;
GRANT EXECUTE ON FUNCTION begin_events_anew(text,text,text,jsonb) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION drop_order_lines(po bigint, after_line integer)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    ordered purchase_orders;
BEGIN
    SELECT * INTO ordered FROM purchase_orders WHERE po_id = po FOR NO KEY UPDATE;
    IF ordered.status NOT IN ('DRAFT', 'SUBMITTED') OR after_line < 1 THEN
        RAISE EXCEPTION 'purchase order % is %: its lines stay', ordered.po_number, ordered.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'order_lines_stay';
    END IF;
    DELETE FROM purchase_order_lines WHERE po_id = po AND line_number > after_line;
END $function$;
GRANT EXECUTE ON FUNCTION drop_order_lines(bigint,integer) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION follow_the_tracking()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE inventory_items SET is_tracked = NEW.tracking <> 'NONE'
    WHERE product_id = NEW.product_id AND is_tracked <> (NEW.tracking <> 'NONE')
        AND quantity_on_hand = 0 AND quantity_reserved = 0;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION forget_events(before timestamp with time zone, most integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    first bigint;
    kept bigint;
BEGIN
    SELECT forgotten_number + 1 INTO STRICT first FROM event_log FOR NO KEY UPDATE;
    SELECT coalesce(min(number) FILTER (WHERE happened_at >= before), max(number) + 1, first) INTO kept
    FROM events WHERE number >= first AND number < first + most;
    DELETE FROM events WHERE number >= first AND number < kept;
    UPDATE event_log SET forgotten_number = kept - 1, last_number = greatest(last_number, kept - 1)
    WHERE forgotten_number < kept - 1;
    RETURN kept - first;
END $function$;
GRANT EXECUTE ON FUNCTION forget_events(timestamp with time zone,integer) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION have_a_transaction_id()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM pg_current_xact_id();
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION is_approved(required integer, approvers text[], involved text[])
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT (count(DISTINCT lower(approver.approver)) >= is_approved.required) FROM unnest(is_approved.approvers) approver(approver) WHERE (NOT (EXISTS (SELECT 1 FROM unnest(is_approved.involved) person(person) WHERE (lower(person.person) = lower(approver.approver))))));
GRANT EXECUTE ON FUNCTION is_approved(integer,text[],text[]) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION keep_the_reorder_point()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO reorder_points (warehouse_id, product_id, since, reorder_point)
        VALUES (NEW.warehouse_id, NEW.product_id, clock_timestamp(), NEW.reorder_point)
        ON CONFLICT (warehouse_id, product_id, since) DO UPDATE SET reorder_point = excluded.reorder_point;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION know_whether_it_is_tracked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    SELECT tracking <> 'NONE' INTO NEW.is_tracked FROM products WHERE product_id = NEW.product_id;
    NEW.is_tracked := coalesce(NEW.is_tracked, false);
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION number_events(most integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
DECLARE
    log event_log;
    marked bigint;
    own bigint;
    before bigint;
    have_ended boolean;
    numbered bigint;
    highest bigint;
BEGIN
    -- Whoever has drawn an id below the mark had a transaction id by then, so a lower one than is drawn now.
    IF pg_current_xact_id_if_assigned() IS NULL THEN
        SELECT marked_id INTO STRICT marked FROM event_log;
    END IF;
    own := pg_current_xact_id()::text::bigint;
    SELECT * INTO STRICT log FROM event_log FOR NO KEY UPDATE;
    SELECT greatest(log.last_number, max(number)) INTO before FROM events;
    -- Each statement sees what was committed before it: what has ended by now is in the outbox of the next one.
    have_ended := log.marked_by < pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    WITH taken AS (
        DELETE FROM outbox WHERE outbox_id = ANY (ARRAY(
            SELECT outbox_id FROM outbox WHERE outbox_id >= log.looked_from ORDER BY outbox_id LIMIT most))
        RETURNING *),
    told AS (
        INSERT INTO events (number, kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
        SELECT before + row_number() OVER (ORDER BY outbox_id), kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id FROM taken)
    SELECT count(*), max(outbox_id) INTO numbered, highest FROM taken;
    IF have_ended AND (numbered < most OR highest >= log.marked_id) THEN
        UPDATE event_log
        SET last_number = before + numbered, looked_from = log.marked_id, marked_id = NULL, marked_by = NULL;
    ELSIF log.marked_id IS NULL AND highest >= log.looked_from + 1000 THEN
        UPDATE event_log SET last_number = before + numbered, marked_id = highest + 1, marked_by = NULL;
    ELSIF log.marked_id = marked AND coalesce(log.marked_by > own, true) THEN
        -- A higher one is of another server, from which this database was restored.
        UPDATE event_log SET last_number = before + numbered, marked_by = own;
    END IF;
    IF numbered > 0 THEN
        PERFORM pg_notify('stockkeeper_events', (before + numbered)::text);
    END IF;
    RETURN numbered;
END $function$;
GRANT EXECUTE ON FUNCTION number_events(integer) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION open_orders(of_warehouse bigint, of_product bigint, lead_time_days numeric)
 RETURNS TABLE(po_number text, status text, units bigint, expected_delivery_date date, counts_from date, counts_until date)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT po.po_number,
     po.status,
     (sum((line.qty - line.quantity_received)))::bigint AS sum,
     po.expected_delivery_date,
     (po.expected_delivery_date - (ceil(GREATEST(open_orders.lead_time_days, po.longest_lead_time_days)))::integer),
     (po.expected_delivery_date + (ceil(GREATEST(open_orders.lead_time_days, po.longest_lead_time_days)))::integer)
    FROM (purchase_order_lines line
      JOIN purchase_orders po USING (po_id))
   WHERE ((line.product_id = open_orders.of_product) AND (line.quantity_received < line.qty) AND (po.warehouse_id = open_orders.of_warehouse) AND (po.status = ANY (ARRAY['DRAFT'::text, 'SUBMITTED'::text, 'CONFIRMED'::text])))
   GROUP BY po.po_id
   ORDER BY po.expected_delivery_date, po.po_id;
END;
GRANT EXECUTE ON FUNCTION open_orders(bigint,bigint,numeric) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION refuse_a_twin()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    name text := to_jsonb(NEW) ->> TG_ARGV[0];
    own text := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ->> TG_ARGV[0] END;
    twin text;
BEGIN
    EXECUTE format('SELECT %1$I FROM %2$I
            WHERE lower(%1$I) = lower($1) AND %1$I <> $1 AND %1$I IS DISTINCT FROM $2 LIMIT 1',
        TG_ARGV[0], TG_TABLE_NAME) INTO twin USING name, own;
    IF twin IS NOT NULL THEN
        RAISE EXCEPTION '% differs from % by upper and lower case alone', name, twin
            USING ERRCODE = 'unique_violation', CONSTRAINT = TG_TABLE_NAME || '_have_no_twins';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION refuse_another_base_unit()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    because text := base_unit_is_needed_by(NEW.product_id);
BEGIN
    IF because IS NOT NULL THEN
        RAISE EXCEPTION 'the base unit of % can''t change: %', NEW.sku, because
            USING ERRCODE = 'check_violation', CONSTRAINT = 'products_keep_their_base_unit';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION refuse_another_catalogue()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    kept_at text := (SELECT catalogue FROM this_database WHERE task_queue <> catalogue);
BEGIN
    IF kept_at IS NOT NULL THEN
        RAISE EXCEPTION 'the catalogue is kept in the database of task queue %, and changed there', kept_at
            USING ERRCODE = 'SK002';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION refuse_to_change_the_past()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Book a movement that corrects it.';
END $function$;

CREATE OR REPLACE FUNCTION refuse_warehouses_elsewhere()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    elsewhere record;
BEGIN
    SELECT found.* INTO elsewhere FROM warehouses_elsewhere(ARRAY(
        SELECT DISTINCT warehouse_id FROM written)) AS found LIMIT 1;
    IF elsewhere.warehouse_id IS NOT NULL THEN
        RAISE EXCEPTION 'warehouse % is kept in another database', elsewhere.warehouse_id
            USING ERRCODE = 'SK001', DETAIL = jsonb_build_object(
                'warehouse_id', elsewhere.warehouse_id, 'task_queue', elsewhere.task_queue)::text;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_a_home_to_stay()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        RAISE EXCEPTION 'a warehouse stays in its database' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM this_database WHERE task_queue = catalogue) THEN
        RAISE EXCEPTION 'homes are given in the database that keeps the catalogue'
            USING ERRCODE = 'restrict_violation';
    END IF;
    -- A transaction that inserts an item of this warehouse ends first; one that begins later waits for this one.
    PERFORM FROM warehouses WHERE warehouse_id = NEW.warehouse_id FOR UPDATE;
    IF NEW.task_queue <> (SELECT task_queue FROM this_database) AND (
        EXISTS (SELECT FROM inventory_items WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM purchase_orders WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM transfer_orders WHERE NEW.warehouse_id IN (from_warehouse_id, to_warehouse_id))
        OR EXISTS (SELECT FROM cycle_counts WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM returns WHERE warehouse_id = NEW.warehouse_id)
        OR EXISTS (SELECT FROM adjustments WHERE warehouse_id = NEW.warehouse_id)
    ) THEN
        RAISE EXCEPTION 'warehouse % has stock or documents here already', NEW.warehouse_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION require_a_serial_to_be_one_unit()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    units bigint;
BEGIN
    IF EXISTS (SELECT FROM products WHERE product_id = NEW.product_id AND tracking = 'SERIAL') THEN
        SELECT sum(quantity_on_hand) INTO units FROM lot_items
            WHERE (product_id, lot_number) = (NEW.product_id, NEW.lot_number);
        IF units > 1 THEN
            RAISE EXCEPTION 'serial % of product % would be on % units', NEW.lot_number, NEW.product_id, units
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'serial_is_one_unit';
        END IF;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_a_sku_to_have_one_meaning()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM former_skus JOIN products ON lower(products.sku) = lower(former_skus.sku)
        WHERE lower(former_skus.sku) = lower(NEW.sku) AND taken_back_at IS NULL) THEN
        RAISE EXCEPTION '% is a SKU and a former SKU at once', NEW.sku
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'skus_have_one_meaning';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_an_approval_to_end_holds()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    operation text := CASE TG_TABLE_NAME
        WHEN 'adjustments' THEN to_jsonb(NEW) ->> 'closed_by' ELSE to_jsonb(NEW) ->> 'posted_by' END;
BEGIN
    IF EXISTS (SELECT FROM given_way WHERE given_way.operation_id = operation) THEN
        RAISE EXCEPTION 'the correction % has ended holds without an approval', operation
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_approvals()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    ordered purchase_orders;
    approvers text[];
    involved text[];
BEGIN
    SELECT * INTO ordered FROM purchase_orders WHERE po_id = NEW.po_id;
    IF ordered.submitted_at IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT coalesce(array_agg(approver), '{}') INTO approvers
        FROM purchase_order_approvals WHERE po_id = ordered.po_id AND version >= ordered.approvals_since;
    SELECT coalesce(array_agg(amended_by), '{}') INTO involved
        FROM purchase_order_amendments WHERE po_id = ordered.po_id;
    IF NOT is_approved(ordered.required_approvals, approvers, ordered.requested_by || involved) THEN
        RAISE EXCEPTION 'purchase order % has % of % approvals',
                ordered.po_number, cardinality(approvers), ordered.required_approvals
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'purchase_orders_are_approved';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_departures_to_be_from_the_hold()
 RETURNS trigger
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    off record;
BEGIN
    SELECT transfer_number, line.product_id, source_at, (
            SELECT sum(dispatched) FILTER (WHERE alike.product_id = line.product_id)
            FROM transfer_order_lines AS alike WHERE alike.transfer_id = line.transfer_id) AS departed, (
            SELECT coalesce(sum(quantity_fulfilled) FILTER (WHERE held.product_id = line.product_id), 0)
            FROM reservations AS held
            WHERE (reference_type, reference_id) = ('TRANSFER', transfer_number)) AS released
        INTO off FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number);
    -- A source in another database has its hold there.
    IF off.source_at IS NULL AND off.departed <> off.released THEN
        RAISE EXCEPTION 'transfer % has dispatched % of product %, and % left its hold',
            off.transfer_number, off.departed, off.product_id, off.released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'departures_are_from_the_hold';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_departures_to_be_of_held_lots()
 RETURNS trigger
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    off record;
BEGIN
    SELECT transfer_number, line.product_id, source_at, (
            SELECT sum(entry.quantity) FROM transfer_order_lines AS alike
            JOIN transit_movements AS entry USING (transfer_id, line_number)
            WHERE alike.transfer_id = line.transfer_id AND alike.product_id = line.product_id
                AND entry.kind = 'DISPATCHED' AND entry.lot_number = NEW.lot_number) AS departed, (
            SELECT coalesce(sum(allotted.quantity_fulfilled), 0)
            FROM reservations AS held JOIN reservation_lots AS allotted USING (reservation_id)
            WHERE (held.reference_type, held.reference_id) = ('TRANSFER', transfer_number)
                AND allotted.product_id = line.product_id AND allotted.lot_number = NEW.lot_number) AS released
        INTO off FROM transfer_order_lines AS line JOIN transfer_orders USING (transfer_id)
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number);
    IF off.source_at IS NULL AND off.departed <> off.released THEN
        RAISE EXCEPTION 'transfer % has dispatched % of lot % of product %, and % left its hold',
            off.transfer_number, off.departed, NEW.lot_number, off.product_id, off.released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'departures_are_of_held_lots';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_held_lots_to_be_available()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM reservation_lots AS held JOIN lots USING (product_id, lot_number)
        WHERE (held.reservation_id, held.lot_number) = (NEW.reservation_id, NEW.lot_number)
            AND held.quantity_held > 0 AND lots.status <> 'AVAILABLE')
    THEN
        RAISE EXCEPTION 'lot % of product % is held by %, and may not leave',
            NEW.lot_number, NEW.product_id, NEW.reservation_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'held_lots_are_available';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_inspected_units_to_be_set_aside()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    place bigint;
    product bigint;
    lot text;
    answered bigint;
    stated bigint;
    as_state text;
BEGIN
    IF TG_TABLE_NAME = 'unavailable_stock' THEN
        place := (to_jsonb(NEW) ->> 'warehouse_id')::bigint;
        as_state := to_jsonb(NEW) ->> 'state';
    ELSE
        SELECT warehouse_id, state INTO place, as_state FROM inspections
            WHERE inspection_id = (to_jsonb(NEW) ->> 'inspection_id')::bigint;
    END IF;
    product := NEW.product_id;
    lot := coalesce(NEW.lot_number, '');
    SELECT coalesce(sum(line.quantity - released - scrapped), 0) INTO answered
        FROM inspection_lines AS line JOIN inspections USING (inspection_id)
        WHERE line.product_id = product AND released + scrapped < line.quantity
            AND inspections.warehouse_id = place AND inspections.state = as_state
            AND coalesce(line.lot_number, '') = lot;
    SELECT coalesce(sum(quantity), 0) INTO stated FROM unavailable_stock AS aside
        WHERE (aside.warehouse_id, aside.product_id, aside.lot_number, aside.state) = (place, product, lot, as_state);
    IF answered > stated THEN
        RAISE EXCEPTION 'inspections of product % in warehouse % are about % units, but % are set aside as %',
            product, place, answered, stated, as_state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inspected_units_are_set_aside';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_lots_in_transit_to_have_left()
 RETURNS trigger
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    off record;
BEGIN
    SELECT entry.transfer_id, entry.line_number, entry.lot_number, tracking INTO off
        FROM written AS entry
        JOIN transfer_order_lines AS line USING (transfer_id, line_number)
        JOIN products USING (product_id)
        LEFT JOIN lots ON lots.product_id = line.product_id AND lots.lot_number = entry.lot_number
        WHERE (tracking = 'NONE') <> (entry.lot_number IS NULL)
            OR (entry.lot_number IS NOT NULL AND lots.product_id IS NULL)
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'line % of transfer % is of a product whose tracking is %, and names lot %',
            off.line_number, off.transfer_id, off.tracking, coalesce(off.lot_number, 'none')
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transit_names_lots';
    END IF;
    SELECT entry.transfer_id, entry.line_number, entry.lot_number, sum(entry.quantity) AS balance INTO off
        FROM (SELECT DISTINCT transfer_id, line_number, lot_number FROM written WHERE lot_number IS NOT NULL) AS moved
        JOIN transit_movements AS entry USING (transfer_id, line_number, lot_number)
        GROUP BY entry.transfer_id, entry.line_number, entry.lot_number
        HAVING sum(entry.quantity) < 0
        LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'lot % on line % of transfer % would have % in transit',
            off.lot_number, off.line_number, off.transfer_id, off.balance
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lots_in_transit_have_left';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_movements_in_transit_to_be_on_a_line()
 RETURNS trigger
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    transfers bigint[] := ARRAY (SELECT DISTINCT transfer_id FROM written);
    lines integer[] := ARRAY (SELECT DISTINCT line_number FROM written);
    unexplained record;
BEGIN
    SELECT line.transfer_id, line.line_number INTO unexplained
        FROM transfer_order_lines AS line JOIN (
            
            SELECT entry.transfer_id, entry.line_number, coalesce(sum(quantity) FILTER (WHERE kind = 'DISPATCHED'), 0) AS dispatched,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS received,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damaged,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF'), 0) AS written_off,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'RETURNED'), 0) AS returned,
                coalesce((array_agg(balance_after ORDER BY transit_movement_id DESC))[1], 0) AS balance
            FROM transit_movements AS entry

            WHERE entry.transfer_id = ANY (transfers) AND entry.line_number = ANY (lines)
            GROUP BY entry.transfer_id, entry.line_number) AS moved USING (transfer_id, line_number)
        WHERE line.transfer_id = ANY (transfers) AND line.line_number = ANY (lines) AND 
        (line.dispatched, line.received, line.damaged, line.written_off, line.returned, line.in_transit)
            IS DISTINCT FROM (moved.dispatched, moved.received, moved.damaged, moved.written_off, moved.returned,
                moved.balance)

        ORDER BY line.transfer_id, line.line_number LIMIT 1;
    IF FOUND THEN 
        RAISE EXCEPTION 'line % of transfer % doesn''t have what its movements add up to',
            unexplained.line_number, unexplained.transfer_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transit_is_its_movements';

    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_on_hand_to_be_the_ledger()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    on_hand bigint;
    balance bigint;
BEGIN
    SELECT quantity_on_hand INTO on_hand FROM inventory_items
        WHERE warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id;
    SELECT balance_after INTO balance FROM stock_movements
        WHERE warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id
        ORDER BY created_at DESC, movement_id DESC LIMIT 1;
    IF on_hand IS NOT NULL AND on_hand <> coalesce(balance, 0) THEN
        RAISE EXCEPTION 'product % in warehouse % has % on hand, but its latest movement left %',
            NEW.product_id, NEW.warehouse_id, on_hand, coalesce(balance, 0)
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'on_hand_is_the_ledger';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_releases_to_be_on_the_line()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    line reservations;
    released numeric;
BEGIN
    SELECT * INTO line FROM reservations WHERE reservation_id = NEW.reservation_id;
    SELECT coalesce(sum(quantity), 0) INTO released
        FROM reservation_releases WHERE reservation_id = NEW.reservation_id;
    IF line.quantity_released <> released THEN
        RAISE EXCEPTION 'line % of the hold of % % has given up %, and its releases say %',
            NEW.reservation_id, lower(line.reference_type), line.reference_id, line.quantity_released, released
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'releases_are_on_the_line';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_returns_to_be_on_the_line()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    on_line bigint;
    returned numeric;
BEGIN
    SELECT quantity_returned INTO on_line FROM purchase_order_lines
        WHERE po_id = NEW.po_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(quantity), 0) INTO returned FROM purchase_order_return_lines
        WHERE po_id = NEW.po_id AND line_number = NEW.line_number;
    IF on_line IS DISTINCT FROM returned THEN
        RAISE EXCEPTION 'line % of order % has returned %, and its returns say %',
                NEW.line_number, NEW.po_id, on_line, returned
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_are_on_the_line';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_terms_of_the_catalogue()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    kept_at text := (SELECT catalogue FROM this_database WHERE task_queue <> catalogue);
BEGIN
    IF kept_at IS NULL THEN
        RETURN NEW;
    END IF;
    IF NEW.last_unit_cost IS NULL THEN
        RAISE EXCEPTION 'the catalogue is kept in the database of task queue %, and changed there', kept_at
            USING ERRCODE = 'SK002';
    END IF;
    PERFORM FROM product_suppliers AS known
    WHERE (known.product_id, known.supplier_id) = (NEW.product_id, NEW.supplier_id);
    RETURN CASE WHEN FOUND THEN NEW END;
END $function$;

CREATE OR REPLACE FUNCTION require_the_adjustment_to_be_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    -- As it is in the end: it may have been stored and posted in one transaction.
    adjusted adjustments;
    wrong bigint;
BEGIN
    SELECT * INTO adjusted FROM adjustments WHERE adjustment_id = NEW.adjustment_id;
    SELECT count(*) INTO wrong FROM (
        SELECT product_id, sum(quantity) AS units, adjusted.closed_by AS operation_id FROM adjustment_lines
        WHERE adjustment_id = adjusted.adjustment_id AND adjusted.status = 'POSTED'
        GROUP BY product_id HAVING sum(quantity) <> 0
    ) AS wanted FULL JOIN (
        SELECT product_id, sum(quantity) AS units, operation_id FROM stock_movements
        WHERE reference_id = adjusted.adjustment_number AND warehouse_id = adjusted.warehouse_id
            AND movement_type = 'ADJUSTMENT' AND workflow_id = adjusted.workflow_id
        GROUP BY product_id, operation_id
    ) AS booked USING (product_id, operation_id)
    WHERE wanted.units IS DISTINCT FROM booked.units;
    IF wrong > 0 THEN
        RAISE EXCEPTION 'adjustment % isn''t booked as it stands', adjusted.adjustment_number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'adjustments_are_booked';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_adjustment_to_be_pending()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    adjusted adjustments;
BEGIN
    SELECT * INTO adjusted FROM adjustments WHERE adjustment_id = NEW.adjustment_id FOR SHARE;
    IF adjusted.status <> 'PENDING' THEN
        RAISE EXCEPTION 'adjustment % is %: it gets no more lines', adjusted.adjustment_number, adjusted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'adjustment_lines_are_in_time';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION require_the_count_to_be_going_on()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    counted cycle_counts;
BEGIN
    SELECT * INTO counted FROM cycle_counts WHERE count_id = NEW.count_id FOR SHARE;
    IF counted.status <> 'COUNTING' AND NOT (counted.status = 'REVIEW' AND NEW.lot_number <> '') THEN
        RAISE EXCEPTION 'count % is %: it gets no more lines', counted.count_number, counted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'cycle_count_lines_are_in_time';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION require_the_count_to_be_its_lines()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    counted cycle_counts;
    lines record;
BEGIN
    SELECT * INTO counted FROM cycle_counts WHERE count_id = NEW.count_id;
    SELECT count(*) FILTER (WHERE status = 'COUNTING') AS counting, count(*) FILTER (WHERE status = 'REVIEW') AS review,
            count(*) FILTER (WHERE status = 'CANCELLED') AS cancelled
        INTO lines FROM cycle_count_lines WHERE count_id = NEW.count_id;
    IF counted.status <> (CASE
            WHEN lines.counting > 0 THEN 'COUNTING'
            WHEN lines.review > 0 THEN 'REVIEW'
            WHEN lines.cancelled > 0 THEN 'CANCELLED'
            ELSE 'POSTED'
        END) THEN
        RAISE EXCEPTION 'count % is %, and its lines are elsewhere', counted.count_number, counted.status
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'counts_are_their_lines';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_inspection_to_be_its_decisions()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    wrong bigint;
BEGIN
    SELECT count(*) INTO wrong
    FROM inspection_lines AS line CROSS JOIN LATERAL (
        SELECT coalesce(sum(decided.quantity) FILTER (WHERE outcome = 'RELEASED'), 0) AS released,
            coalesce(sum(decided.quantity) FILTER (WHERE outcome = 'SCRAPPED'), 0) AS scrapped
        FROM inspection_decision_lines AS decided JOIN inspection_decisions USING (inspection_id, decision_id)
        WHERE (decided.inspection_id, decided.line_number) = (line.inspection_id, line.line_number)) AS decided
    WHERE line.inspection_id = NEW.inspection_id
        AND (line.released, line.scrapped) <> (decided.released, decided.scrapped);
    IF wrong > 0 THEN
        RAISE EXCEPTION 'inspection %: % lines aren''t the sum of their decisions', NEW.inspection_id, wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inspection_is_its_decisions';
    END IF;
    IF (SELECT status = 'OPEN' FROM inspections WHERE inspection_id = NEW.inspection_id)
        <> EXISTS (SELECT FROM inspection_lines
            WHERE inspection_id = NEW.inspection_id AND released + scrapped < quantity)
    THEN
        RAISE EXCEPTION 'inspection % is over exactly when nothing of it is set aside any more', NEW.inspection_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'inspection_is_open_with_its_units';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_item_to_be_its_lots()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    item inventory_items;
    on_hand bigint;
    reserved bigint;
    unavailable bigint;
BEGIN
    SELECT * INTO item FROM inventory_items
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id);
    SELECT coalesce(sum(quantity_on_hand), 0), coalesce(sum(quantity_reserved), 0),
            coalesce(sum(quantity_unavailable), 0)
        INTO on_hand, reserved, unavailable FROM lot_items
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id) AND quantity_on_hand > 0;
    IF item.is_tracked AND (item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable)
            <> (on_hand, reserved, unavailable)
        OR NOT item.is_tracked AND on_hand <> 0
    THEN
        RAISE EXCEPTION 'product % in warehouse % has %/%/% on hand, reserved and unavailable, but its lots have %/%/%',
            NEW.product_id, NEW.warehouse_id, item.quantity_on_hand, item.quantity_reserved, item.quantity_unavailable,
            on_hand, reserved, unavailable
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'item_is_its_lots';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_line_to_be_its_lots()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    line reservations;
    held bigint;
    fulfilled bigint;
    open bigint;
BEGIN
    SELECT * INTO line FROM reservations WHERE reservation_id = NEW.reservation_id;
    SELECT sum(quantity_held), sum(quantity_fulfilled) INTO held, fulfilled FROM reservation_lots
        WHERE reservation_id = NEW.reservation_id;
    open := CASE line.status WHEN 'ACTIVE' THEN
        line.quantity - line.quantity_fulfilled - line.quantity_released ELSE 0 END;
    IF (held, fulfilled) <> (open, line.quantity_fulfilled) THEN
        RAISE EXCEPTION 'reservation % holds % and has shipped %, but its lots have % and %',
            NEW.reservation_id, open, line.quantity_fulfilled, held, fulfilled
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'line_is_its_lots';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_lot_to_be_its_movements()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    on_hand bigint;
    balance bigint;
BEGIN
    SELECT quantity_on_hand INTO on_hand FROM lot_items
        WHERE (warehouse_id, product_id, lot_number) = (NEW.warehouse_id, NEW.product_id, NEW.lot_number);
    SELECT lot_balance_after INTO balance FROM stock_movements
        WHERE (product_id, lot_number, warehouse_id) = (NEW.product_id, NEW.lot_number, NEW.warehouse_id)
        ORDER BY created_at DESC, movement_id DESC LIMIT 1;
    IF on_hand IS DISTINCT FROM coalesce(balance, 0) THEN
        RAISE EXCEPTION 'lot % of product % in warehouse % has % on hand, but its latest movement left %',
            NEW.lot_number, NEW.product_id, NEW.warehouse_id, on_hand, coalesce(balance, 0)
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_is_its_movements';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_lot_to_be_stopped()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    now_is text;
BEGIN
    SELECT status INTO now_is FROM lots WHERE (product_id, lot_number) = (NEW.product_id, NEW.lot_number);
    IF now_is <> 'AVAILABLE' AND EXISTS (
        SELECT FROM reservation_lots AS held
        WHERE (held.product_id, held.lot_number) = (NEW.product_id, NEW.lot_number) AND quantity_held > 0)
    THEN
        RAISE EXCEPTION 'lot % of product % is %, and units are still held', NEW.lot_number, NEW.product_id, now_is
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'stopped_lots_are_not_held';
    END IF;
    IF now_is <> 'BLOCKED' AND EXISTS (
        SELECT FROM recalls JOIN recall_lines AS line USING (recall_id)
        WHERE (line.product_id, line.lot_number) = (NEW.product_id, NEW.lot_number) AND status = 'BLOCKED')
    THEN
        RAISE EXCEPTION 'lot % of product % is recalled, and would be %', NEW.lot_number, NEW.product_id, now_is
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'recalled_lots_are_blocked';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_lots_of_a_return_to_be_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    line return_inspection_lines;
    named record;
    of_product bigint;
    restocked_units numeric;
    booked numeric;
BEGIN
    SELECT * INTO line FROM return_inspection_lines AS found
        WHERE (found.return_id, found.line_number, found.inspection_id)
            = (NEW.return_id, NEW.line_number, NEW.inspection_id);
    SELECT sum(restocked) AS restocked, sum(scrapped) AS scrapped INTO named
        FROM return_inspection_lots AS found
        WHERE (found.return_id, found.line_number, found.inspection_id)
            = (NEW.return_id, NEW.line_number, NEW.inspection_id);
    SELECT product_id INTO of_product FROM return_lines AS returned
        WHERE (returned.return_id, returned.line_number) = (NEW.return_id, NEW.line_number);
    SELECT sum(found.restocked) INTO restocked_units
        FROM return_inspection_lots AS found JOIN return_lines AS returned USING (return_id, line_number)
        WHERE return_id = NEW.return_id AND returned.product_id = of_product AND found.lot_number = NEW.lot_number;
    SELECT coalesce(sum(moved.quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN returns
            ON moved.reference_id = returns.return_number AND moved.warehouse_id = returns.warehouse_id
        WHERE returns.return_id = NEW.return_id AND moved.product_id = of_product
            AND moved.lot_number = NEW.lot_number AND moved.movement_type = 'RETURN';
    IF named.restocked <> line.restocked OR named.scrapped > line.scrapped OR booked <> restocked_units THEN
        RAISE EXCEPTION 'lot % on line % of return % hasn''t what its inspection and the ledger say',
            NEW.lot_number, NEW.line_number, NEW.return_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lots_of_returns_are_booked';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_movement_to_follow()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    previous_balance bigint;
    previous_at timestamptz;
BEGIN
    SELECT balance_after, created_at INTO previous_balance, previous_at FROM stock_movements
        WHERE warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id AND movement_id < NEW.movement_id
        ORDER BY created_at DESC, movement_id DESC LIMIT 1;
    IF previous_at >= NEW.created_at OR NEW.balance_after <> coalesce(previous_balance, 0) + NEW.quantity THEN
        RAISE EXCEPTION 'movement % doesn''t follow the one before it', NEW.movement_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'movements_follow_each_other';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_movement_to_follow_in_its_lot()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    before bigint;
BEGIN
    SELECT lot_balance_after INTO before FROM stock_movements
        WHERE (product_id, lot_number, warehouse_id) = (NEW.product_id, NEW.lot_number, NEW.warehouse_id)
            AND (created_at, movement_id) < (NEW.created_at, NEW.movement_id)
        ORDER BY created_at DESC, movement_id DESC LIMIT 1;
    IF NEW.lot_balance_after - NEW.quantity <> coalesce(before, 0) THEN
        RAISE EXCEPTION 'movement % of lot % begins with %, but the one before left %',
            NEW.movement_id, NEW.lot_number, NEW.lot_balance_after - NEW.quantity, coalesce(before, 0)
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'lot_movement_follows';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_receipt_to_have_it()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    receipt purchase_order_receipts;
    rest record;
BEGIN
    SELECT * INTO receipt FROM purchase_order_receipts WHERE po_id = NEW.po_id AND receipt_id = NEW.receipt_id;
    SELECT coalesce(sum(quantity), 0) AS accepted, coalesce(sum(quantity_rejected), 0) AS rejected INTO rest
        FROM purchase_order_receipt_lines AS line JOIN purchase_order_receipts AS of USING (po_id, receipt_id)
        WHERE line.po_id = NEW.po_id AND line.line_number = NEW.line_number
            AND coalesce(of.corrects, of.receipt_id) = coalesce(receipt.corrects, receipt.receipt_id);
    IF (receipt.corrects IS NULL) <> (least(NEW.quantity, NEW.quantity_rejected) >= 0)
        OR least(rest.accepted, rest.rejected) < 0 THEN
        RAISE EXCEPTION 'receipt % takes back more than receipt % has brought', NEW.receipt_id, receipt.corrects
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'receipts_have_what_is_corrected';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_return_to_be_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    line return_lines;
    found record;
    restocked_units numeric;
    booked numeric;
BEGIN
    SELECT * INTO line FROM return_lines WHERE return_id = NEW.return_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(restocked), 0) AS restocked, coalesce(sum(scrapped), 0) AS scrapped INTO found
        FROM return_inspection_lines WHERE return_id = NEW.return_id AND line_number = NEW.line_number;
    SELECT coalesce(sum(restocked), 0) INTO restocked_units
        FROM return_lines WHERE return_id = NEW.return_id AND product_id = line.product_id;
    SELECT coalesce(sum(moved.quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN returns
            ON moved.reference_id = returns.return_number AND moved.warehouse_id = returns.warehouse_id
        WHERE returns.return_id = NEW.return_id AND moved.product_id = line.product_id
            AND moved.movement_type = 'RETURN';
    IF (line.restocked, line.scrapped) IS DISTINCT FROM (found.restocked, found.scrapped)
        OR booked <> restocked_units THEN
        RAISE EXCEPTION 'line % of return % doesn''t have what its inspections and the ledger say',
            NEW.line_number, NEW.return_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_are_booked';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_return_to_be_its_lines()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    returned returns;
    units record;
BEGIN
    SELECT * INTO returned FROM returns WHERE return_id = NEW.return_id;
    SELECT coalesce(sum(restocked + scrapped), 0) AS came, coalesce(sum(quantity - restocked - scrapped), 0) AS missing
        INTO units FROM return_lines WHERE return_id = NEW.return_id;
    IF NOT (CASE returned.status
            WHEN 'EXPECTED' THEN units.missing > 0 AND returned.closed_reason IS NULL
            WHEN 'INSPECTED' THEN units.came > 0 AND (units.missing > 0) = (returned.closed_reason IS NOT NULL)
            ELSE units.came = 0 AND returned.closed_reason IS NOT NULL
        END) THEN
        RAISE EXCEPTION 'return % is % with % inspected and % missing',
            returned.return_number, returned.status, units.came, units.missing
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'returns_are_their_lines';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_scrapped_to_be_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    inspected inspections;
    wrong bigint;
BEGIN
    SELECT * INTO inspected FROM inspections WHERE inspection_id = NEW.inspection_id;
    SELECT count(*) INTO wrong FROM (
        SELECT product_id, coalesce(lot_number, '') AS lot, -sum(decided.quantity) AS units
        FROM inspection_decision_lines AS decided JOIN inspection_lines USING (inspection_id, line_number)
        WHERE (decided.inspection_id, decided.decision_id) = (NEW.inspection_id, NEW.decision_id)
            AND NEW.outcome = 'SCRAPPED'
        GROUP BY product_id, lot
    ) AS wanted FULL JOIN (
        SELECT product_id, coalesce(lot_number, '') AS lot, sum(quantity) AS units FROM stock_movements
        WHERE reference_id = inspected.inspection_number AND operation_id = NEW.operation_id
            AND warehouse_id = inspected.warehouse_id AND movement_type = 'ADJUSTMENT'
        GROUP BY product_id, lot
    ) AS booked USING (product_id, lot)
    WHERE wanted.units IS DISTINCT FROM booked.units;
    IF wrong > 0 THEN
        RAISE EXCEPTION 'decision % of inspection % isn''t booked as it stands',
            NEW.decision_id, inspected.inspection_number
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'scrapped_units_are_booked';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_total_to_be_the_lines()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    ordered purchase_orders;
    worth numeric;
    versions bigint;
BEGIN
    SELECT * INTO ordered FROM purchase_orders WHERE po_id = NEW.po_id;
    SELECT coalesce(sum(qty * unit_cost), 0) INTO worth FROM purchase_order_lines WHERE po_id = NEW.po_id;
    SELECT count(*) + 1 INTO versions FROM purchase_order_amendments WHERE po_id = NEW.po_id;
    IF (ordered.total, ordered.version) IS DISTINCT FROM (worth, versions::integer) THEN
        RAISE EXCEPTION 'purchase order % is version % of %, and its % amendments and lines make %',
                ordered.po_number, ordered.version, ordered.total, versions - 1, worth
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'orders_are_their_lines';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_the_variance_to_be_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    booked numeric;
BEGIN
    SELECT coalesce(sum(quantity), 0) INTO booked
        FROM stock_movements AS moved JOIN cycle_counts AS counted
            ON moved.reference_id = counted.count_number AND moved.warehouse_id = counted.warehouse_id
        WHERE counted.count_id = NEW.count_id AND moved.product_id = NEW.product_id
            AND moved.lot_number IS NOT DISTINCT FROM nullif(NEW.lot_number, '')
            AND moved.movement_type = 'ADJUSTMENT' AND moved.operation_id = NEW.posted_by;
    IF booked <> NEW.delta THEN
        RAISE EXCEPTION 'product % of count % is off by %, and % was booked',
            NEW.product_id, NEW.count_id, NEW.delta, booked
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'variances_are_booked';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_tracking_to_begin_without_stock()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (SELECT FROM inventory_items WHERE product_id = NEW.product_id AND quantity_on_hand <> 0)
        OR EXISTS (SELECT FROM transfer_order_lines WHERE product_id = NEW.product_id AND in_transit > 0)
    THEN
        RAISE EXCEPTION 'product % has stock: its tracking stays %', NEW.product_id, OLD.tracking
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'tracking_begins_without_stock';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_transfers_to_have_an_end_here()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    elsewhere record;
BEGIN
    IF NOT EXISTS (SELECT FROM warehouses_elsewhere(ARRAY(
        SELECT from_warehouse_id FROM written UNION SELECT to_warehouse_id FROM written))) THEN
        RETURN NULL;
    END IF;
    SELECT source.* INTO elsewhere FROM written
        CROSS JOIN LATERAL warehouses_elsewhere(ARRAY[from_warehouse_id]) AS source
        CROSS JOIN LATERAL warehouses_elsewhere(ARRAY[to_warehouse_id]) AS destination
        LIMIT 1;
    IF elsewhere.warehouse_id IS NOT NULL THEN
        RAISE EXCEPTION 'warehouse % is kept in another database', elsewhere.warehouse_id
            USING ERRCODE = 'SK001', DETAIL = jsonb_build_object(
                'warehouse_id', elsewhere.warehouse_id, 'task_queue', elsewhere.task_queue)::text;
    END IF;
    UPDATE transfer_orders AS header SET
        source_at = (SELECT task_queue FROM warehouses_elsewhere(ARRAY[header.from_warehouse_id])),
        destination_at = (SELECT task_queue FROM warehouses_elsewhere(ARRAY[header.to_warehouse_id]))
    FROM written WHERE header.transfer_id = written.transfer_id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_transit_to_be_its_movements()
 RETURNS trigger
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    unexplained record;
BEGIN
    SELECT line.transfer_id, line.line_number INTO unexplained
        FROM transfer_order_lines AS line CROSS JOIN (
            
            SELECT coalesce(sum(quantity) FILTER (WHERE kind = 'DISPATCHED'), 0) AS dispatched,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'RECEIVED'), 0) AS received,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'DAMAGED'), 0) AS damaged,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'WRITTEN_OFF'), 0) AS written_off,
                coalesce(-sum(quantity) FILTER (WHERE kind = 'RETURNED'), 0) AS returned,
                coalesce((array_agg(balance_after ORDER BY transit_movement_id DESC))[1], 0) AS balance
            FROM transit_movements AS entry

            WHERE (entry.transfer_id, entry.line_number) = (NEW.transfer_id, NEW.line_number)) AS moved
        WHERE (line.transfer_id, line.line_number) = (NEW.transfer_id, NEW.line_number) AND 
        (line.dispatched, line.received, line.damaged, line.written_off, line.returned, line.in_transit)
            IS DISTINCT FROM (moved.dispatched, moved.received, moved.damaged, moved.written_off, moved.returned,
                moved.balance)
;
    IF FOUND THEN 
        RAISE EXCEPTION 'line % of transfer % doesn''t have what its movements add up to',
            unexplained.line_number, unexplained.transfer_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transit_is_its_movements';

    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_transit_while_in_transit()
 RETURNS trigger
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_generic_plan'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    transfer record;
BEGIN
    SELECT transfer_number, status, units.* INTO transfer
        FROM transfer_orders AS header CROSS JOIN LATERAL (
            SELECT coalesce(sum(in_transit), 0) AS in_transit, coalesce(sum(dispatched), 0) AS dispatched
            FROM transfer_order_lines AS line WHERE line.transfer_id = header.transfer_id) AS units
        WHERE transfer_id = NEW.transfer_id;
    IF (transfer.status = 'IN_TRANSIT') <> (transfer.in_transit > 0) AND NOT (
        transfer.status = 'IN_TRANSIT' AND transfer.dispatched > 0
        AND EXISTS (SELECT FROM transfer_holds WHERE transfer_id = NEW.transfer_id AND held > 0)) THEN
        RAISE EXCEPTION 'transfer % is % with % in transit',
                transfer.transfer_number, transfer.status, transfer.in_transit
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'transfers_are_in_transit';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_unavailable_units_of_a_lot_to_have_a_state()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    unavailable bigint;
    stated bigint;
BEGIN
    SELECT quantity_unavailable INTO unavailable FROM lot_items
        WHERE (warehouse_id, product_id, lot_number) = (NEW.warehouse_id, NEW.product_id, NEW.lot_number);
    SELECT coalesce(sum(quantity), 0) INTO stated FROM unavailable_stock
        WHERE (warehouse_id, product_id, lot_number) = (NEW.warehouse_id, NEW.product_id, NEW.lot_number);
    IF unavailable IS DISTINCT FROM stated THEN
        RAISE EXCEPTION 'lot % of product % in warehouse % has % unavailable, but % in a state',
            NEW.lot_number, NEW.product_id, NEW.warehouse_id, unavailable, stated
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'unavailable_units_of_a_lot_have_a_state';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_unavailable_units_to_have_a_state()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    unavailable bigint;
    stated bigint;
BEGIN
    SELECT quantity_unavailable INTO unavailable FROM inventory_items
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id);
    SELECT coalesce(sum(quantity), 0) INTO stated FROM unavailable_stock
        WHERE (warehouse_id, product_id) = (NEW.warehouse_id, NEW.product_id);
    IF unavailable <> stated THEN
        RAISE EXCEPTION 'product % in warehouse % has % unavailable, but % in a state',
            NEW.product_id, NEW.warehouse_id, unavailable, stated
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'unavailable_units_have_a_state';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION require_what_is_taken_back_to_be_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    ordered record;
    moved numeric;
BEGIN
    SELECT coalesce(sum(line.quantity_received - line.quantity_returned), 0) AS units INTO ordered
        FROM purchase_orders JOIN purchase_order_lines AS line USING (po_id)
        WHERE po_number = NEW.reference_id AND warehouse_id = NEW.warehouse_id AND product_id = NEW.product_id;
    SELECT coalesce(sum(quantity), 0) INTO moved FROM stock_movements
        WHERE reference_id = NEW.reference_id AND warehouse_id = NEW.warehouse_id
            AND product_id = NEW.product_id AND movement_type = 'PURCHASE';
    IF moved <> ordered.units THEN
        RAISE EXCEPTION 'product % of purchase order % is booked with %, and its lines say %',
                NEW.product_id, NEW.reference_id, moved, ordered.units
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'purchases_are_their_lines';
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tell_what_is_there(place bigint, occasion text, teller text, why text, days jsonb DEFAULT '{}'::jsonb)
 RETURNS bigint
 LANGUAGE plpgsql
 SET "TimeZone" TO 'UTC'
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
DECLARE
    told bigint := 0;
    added bigint;
BEGIN
    IF place IS NULL THEN
        LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE;
    END IF;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'level.changed', 'item/' || warehouse_id || '/' || product_id, warehouse_id, product_id,
        jsonb_build_object(
            'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id, 'warehouse', warehouses.name,
            'quantity_on_hand', quantity_on_hand, 'quantity_reserved', quantity_reserved,
            'quantity_buffer', quantity_buffer,
            'quantity_available', quantity_available - unusable,
            'below_reorder_point', coalesce(quantity_available - unusable < reorder_point, false))
            || CASE WHEN quantity_unavailable + unusable > 0
                THEN jsonb_build_object('quantity_unavailable', quantity_unavailable + unusable) ELSE '{}' END, clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM inventory_items JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN is_tracked THEN unusable_units(warehouse_id, product_id, coalesce(
            (days ->> warehouse_id::text)::date, (clock_timestamp() AT TIME ZONE timezone)::date))
        ELSE 0 END AS unusable) AS lots
    WHERE place IS NULL OR warehouse_id = place
    ORDER BY warehouse_id, product_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'reorder_point.changed', 'item/' || warehouse_id || '/' || product_id, warehouse_id, product_id,
        jsonb_build_object(
            'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id, 'warehouse', warehouses.name,
            'reorder_point', reorder_point, 'reorder_quantity', reorder_quantity), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM inventory_items JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE num_nonnulls(reorder_point, reorder_quantity) > 0 AND (place IS NULL OR warehouse_id = place)
    ORDER BY warehouse_id, product_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason,
        operation_id, workflow_id, run_id)
    SELECT 'lot.changed', 'lot/' || product_id || '/' || lot_number,
        CASE WHEN count(*) = 1 THEN min(warehouse_id) END, product_id, jsonb_build_object(
            'product_id', product_id, 'sku', sku, 'lot_number', lot_number, 'status', lots.status,
            'reason', status_reason, 'expires_on', expires_on, 'best_before', best_before,
            'warehouse_ids', jsonb_agg(warehouse_id ORDER BY warehouse_id),
            'on_hand', jsonb_agg(jsonb_build_object(
                'warehouse_id', warehouse_id, 'quantity_on_hand', quantity_on_hand) ORDER BY warehouse_id)),
        clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM lot_items JOIN lots USING (product_id, lot_number) JOIN products USING (product_id)
    WHERE quantity_on_hand > 0 AND (place IS NULL OR warehouse_id = place)
    GROUP BY product_id, lot_number, sku, lots.status, status_reason, expires_on, best_before
    ORDER BY product_id, lot_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'hold.made', lower(reference_type) || '/' || reference_id,
        CASE WHEN min(warehouse_id) = max(warehouse_id) THEN min(warehouse_id) END,
        CASE WHEN min(product_id) = max(product_id) THEN min(product_id) END,
        jsonb_build_object(
            'reference_type', reference_type, 'reference_id', reference_id, 'waiting_until', NULL,
            'lines', jsonb_agg(jsonb_build_object(
                'reservation_id', reservation_id, 'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id,
                'warehouse', warehouses.name, 'quantity', quantity, 'fulfilled', quantity_fulfilled,
                'released', quantity_released, 'status', status, 'expires_at', expires_at) || coalesce((
                    SELECT jsonb_build_object('lots', jsonb_agg(jsonb_build_object(
                        'lot_number', lot_number, 'expires_on', expires_on, 'quantity', quantity_held,
                        'fulfilled', quantity_fulfilled)
                        ORDER BY coalesce(expires_on, best_before), lots.created_at, lot_number))
                    FROM reservation_lots AS allotted JOIN lots USING (product_id, lot_number)
                    WHERE allotted.reservation_id = reservations.reservation_id
                        AND quantity_held + quantity_fulfilled > 0
                    HAVING count(*) > 0), '{}') ORDER BY reservation_id)),
        clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM reservations JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE status = 'ACTIVE' AND (place IS NULL OR warehouse_id = place)
    GROUP BY reference_type, reference_id
    ORDER BY min(reservation_id);
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'hold.waiting', 'order/' || reference_id,
        CASE WHEN min(warehouse_id) = max(warehouse_id) AND count(*) = count(warehouse_id) THEN min(warehouse_id) END,
        CASE WHEN min(product_id) = max(product_id) THEN min(product_id) END,
        jsonb_build_object(
            'reference_type', 'ORDER', 'reference_id', reference_id, 'waiting_until', waiting_until,
            'lines', jsonb_agg(jsonb_build_object(
                'reservation_id', NULL, 'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id,
                'warehouse', warehouses.name, 'quantity', quantity, 'fulfilled', 0, 'released', 0,
                'status', status, 'expires_at', NULL) ORDER BY line_number)),
        clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM waits JOIN waiting_lines AS line USING (wait_id) JOIN products USING (product_id)
    LEFT JOIN warehouses USING (warehouse_id)
    WHERE line.is_waiting
    GROUP BY wait_id
    HAVING place IS NULL OR bool_and(warehouse_id IS NOT DISTINCT FROM place)
    ORDER BY wait_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'purchase_order.changed', 'purchase_order/' || po_number, warehouse_id, NULL, jsonb_build_object(
            'number', po_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(warehouse_id)), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM purchase_orders WHERE closed_at IS NULL AND (place IS NULL OR warehouse_id = place)
    ORDER BY po_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'customer_return.changed', 'customer_return/' || return_number, warehouse_id, NULL, jsonb_build_object(
            'number', return_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(warehouse_id)), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM returns WHERE closed_at IS NULL AND (place IS NULL OR warehouse_id = place)
    ORDER BY return_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'adjustment.changed', 'adjustment/' || adjustment_number, warehouse_id, NULL, jsonb_build_object(
            'number', adjustment_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(warehouse_id)), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM adjustments WHERE closed_at IS NULL AND (place IS NULL OR warehouse_id = place)
    ORDER BY adjustment_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'inspection.changed', 'inspection/' || inspection_number, warehouse_id, NULL, jsonb_build_object(
            'number', inspection_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(warehouse_id)), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM inspections WHERE closed_at IS NULL AND (place IS NULL OR warehouse_id = place)
    ORDER BY inspection_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'cycle_count.changed', 'cycle_count/' || count_number, warehouse_id, NULL, jsonb_build_object(
            'number', count_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(warehouse_id)), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM cycle_counts WHERE closed_at IS NULL AND (place IS NULL OR warehouse_id = place)
    ORDER BY count_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'transfer.changed', 'transfer/' || transfer_number, NULL, NULL, jsonb_build_object(
            'number', transfer_number, 'status', status, 'step', 'baseline',
            'warehouse_ids', jsonb_build_array(from_warehouse_id, to_warehouse_id)), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM transfer_orders WHERE closed_at IS NULL AND (place IS NULL OR place IN (from_warehouse_id, to_warehouse_id))
    ORDER BY transfer_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason,
        operation_id, workflow_id, run_id)
    SELECT 'recall.changed', 'recall/' || recall_number,
        CASE WHEN cardinality(warehouse_ids) = 1 THEN warehouse_ids[1] END, NULL, jsonb_build_object(
            'number', recall_number, 'status', status, 'step', 'baseline', 'warehouse_ids', to_jsonb(warehouse_ids)),
        clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM recalls WHERE closed_at IS NULL AND (place IS NULL OR place = ANY (warehouse_ids))
    ORDER BY recall_number;
    GET DIAGNOSTICS added = ROW_COUNT;
    told := told + added;

    INSERT INTO outbox (kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'finding.changed', 'finding/' || finding_id, warehouse_id, product_id, jsonb_build_object(
            'finding_id', finding_id, 'finding', kind, 'status', status, 'product_id', product_id,
            'warehouse_id', warehouse_id, 'document', document, 'expected', expected, 'actual', actual), clock_timestamp(), teller, why, 'baseline/' || occasion, '', ''
    FROM audit_findings WHERE status = 'OPEN' AND (place IS NULL OR warehouse_id = place)
    ORDER BY finding_id;
    GET DIAGNOSTICS added = ROW_COUNT;
    RETURN told + added;
END $function$;

CREATE OR REPLACE FUNCTION tell_who_waits()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (SELECT FROM waiting_lines WHERE product_id = NEW.product_id AND is_waiting) THEN
        PERFORM pg_notify('stockkeeper_waiting', NEW.product_id::text);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION undone_departures()
 RETURNS TABLE(movement_type text, reference_id text, product_id bigint, quantity bigint, undone_at timestamp with time zone)
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT 'TRANSFER_OUT'::text AS text,
     transfer_orders.transfer_number,
     transfer_order_lines.product_id,
     (- entry.quantity),
     entry.created_at
    FROM ((transit_movements entry
      JOIN transfer_order_lines USING (transfer_id, line_number))
      JOIN transfer_orders USING (transfer_id))
   WHERE ((entry.kind = 'RETURNED'::text) AND (transfer_orders.source_at IS NULL))
 UNION ALL
  SELECT 'SALE'::text AS text,
     returns.reference_id,
     return_lines.product_id,
     (found.restocked + found.scrapped),
     COALESCE(return_inspections.booked_at, return_inspections.inspected_at) AS "coalesce"
    FROM (((return_inspections
      JOIN return_inspection_lines found USING (return_id, inspection_id))
      JOIN return_lines USING (return_id, line_number))
      JOIN returns USING (return_id));
END;
GRANT EXECUTE ON FUNCTION undone_departures() TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION undone_units(of_type text, of_reference text, of_product bigint)
 RETURNS TABLE(movement_id bigint, warehouse_id bigint, left_at timestamp with time zone, units bigint)
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
 SELECT departure.movement_id,
     departure.warehouse_id,
     departure.left_at,
     (LEAST((departure.left_now)::numeric, (undone.units - departure.left_later)))::bigint AS "least"
    FROM (( SELECT sum(fact.quantity) AS units
            FROM undone_departures() fact(movement_type, reference_id, product_id, quantity, undone_at)
           WHERE ((fact.movement_type = undone_units.of_type) AND (fact.reference_id = undone_units.of_reference) AND (fact.product_id = undone_units.of_product))) undone
      CROSS JOIN ( SELECT moved.movement_id,
             moved.warehouse_id,
             COALESCE(moved.occurred_at, moved.created_at) AS left_at,
             (- moved.quantity) AS left_now,
             (sum((- moved.quantity)) OVER (ORDER BY COALESCE(moved.occurred_at, moved.created_at) DESC, moved.movement_id DESC) + (moved.quantity)::numeric) AS left_later
            FROM stock_movements moved
           WHERE ((moved.reference_id = undone_units.of_reference) AND (moved.movement_type = undone_units.of_type) AND (moved.product_id = undone_units.of_product))) departure)
   WHERE (undone.units > departure.left_later);
END;
GRANT EXECUTE ON FUNCTION undone_units(text,text,bigint) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION unusable_units(of_warehouse bigint, of_product bigint, today date)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'public', 'pg_temp'
AS $function$
    SELECT coalesce(sum(item.quantity_on_hand - item.quantity_reserved - item.quantity_unavailable), 0)::bigint
    FROM lot_items AS item
    JOIN lots USING (product_id, lot_number)
    JOIN products USING (product_id)
    WHERE item.warehouse_id = of_warehouse AND item.product_id = of_product AND item.quantity_on_hand > 0
        AND (lots.status <> 'AVAILABLE'
            OR lots.expires_on < today
            OR coalesce(lots.expires_on, lots.best_before) < today + products.minimum_days_left)
$function$;
GRANT EXECUTE ON FUNCTION unusable_units(bigint,bigint,date) TO stockkeeper_worker;

CREATE OR REPLACE FUNCTION warehouses_elsewhere(wanted bigint[])
 RETURNS TABLE(warehouse_id bigint, task_queue text)
 LANGUAGE plpgsql
 STABLE
AS $function$
#variable_conflict use_column
BEGIN
    -- Its rows are here in a moment, or the move is given up: the worker tries its step again.
    IF EXISTS (SELECT FROM warehouse_moves WHERE state = 'ARRIVING' AND warehouse_id = ANY (wanted)) THEN
        RAISE EXCEPTION 'the warehouse is on its way to this database' USING ERRCODE = 'lock_not_available';
    END IF;
    RETURN QUERY
        SELECT asked.warehouse_id, coalesce(found.task_queue, here.catalogue)
        FROM unnest(wanted) AS asked (warehouse_id)
        LEFT JOIN warehouse_places AS found ON found.warehouse_id = asked.warehouse_id
        LEFT JOIN this_database AS here ON true
        WHERE coalesce(found.task_queue, here.catalogue) IS DISTINCT FROM here.task_queue
        ORDER BY asked.warehouse_id;
END $function$;
GRANT EXECUTE ON FUNCTION warehouses_elsewhere(bigint[]) TO stockkeeper_worker;

CREATE VIEW audited_documents AS
 SELECT 'purchase_order'::text AS kind,
    purchase_orders.po_id AS id,
    purchase_orders.po_number AS number,
    purchase_orders.workflow_id
   FROM purchase_orders
UNION ALL
 SELECT 'transfer'::text AS kind,
    transfer_orders.transfer_id AS id,
    transfer_orders.transfer_number AS number,
    transfer_orders.workflow_id
   FROM transfer_orders
UNION ALL
 SELECT 'cycle_count'::text AS kind,
    cycle_counts.count_id AS id,
    cycle_counts.count_number AS number,
    cycle_counts.workflow_id
   FROM cycle_counts
UNION ALL
 SELECT 'customer_return'::text AS kind,
    returns.return_id AS id,
    returns.return_number AS number,
    returns.workflow_id
   FROM returns
UNION ALL
 SELECT 'adjustment'::text AS kind,
    adjustments.adjustment_id AS id,
    adjustments.adjustment_number AS number,
    adjustments.workflow_id
   FROM adjustments
UNION ALL
 SELECT 'inspection'::text AS kind,
    inspections.inspection_id AS id,
    inspections.inspection_number AS number,
    inspections.workflow_id
   FROM inspections
UNION ALL
 SELECT 'recall'::text AS kind,
    recalls.recall_id AS id,
    recalls.recall_number AS number,
    recalls.workflow_id
   FROM recalls;
GRANT SELECT ON audited_documents TO stockkeeper_worker;

CREATE VIEW documents_say AS
 SELECT 'purchase_order'::text AS kind,
    purchase_orders.po_id AS id,
    purchase_orders.warehouse_id,
    purchase_order_lines.product_id,
    'PURCHASE'::text AS movement_type,
    purchase_order_lines.quantity_received - purchase_order_lines.quantity_returned AS units
   FROM purchase_orders
     JOIN purchase_order_lines USING (po_id)
UNION ALL
 SELECT 'transfer'::text AS kind,
    transfer_orders.transfer_id AS id,
    transfer_orders.from_warehouse_id AS warehouse_id,
    transfer_order_lines.product_id,
    'TRANSFER_OUT'::text AS movement_type,
    - transfer_order_lines.dispatched AS units
   FROM transfer_orders
     JOIN transfer_order_lines USING (transfer_id)
  WHERE transfer_orders.source_at IS NULL
UNION ALL
 SELECT 'transfer'::text AS kind,
    transfer_orders.transfer_id AS id,
    transfer_orders.to_warehouse_id AS warehouse_id,
    transfer_order_lines.product_id,
    'TRANSFER_IN'::text AS movement_type,
    transfer_order_lines.received AS units
   FROM transfer_orders
     JOIN transfer_order_lines USING (transfer_id)
  WHERE transfer_orders.destination_at IS NULL
UNION ALL
 SELECT 'transfer'::text AS kind,
    transfer_orders.transfer_id AS id,
    transfer_orders.from_warehouse_id AS warehouse_id,
    transfer_order_lines.product_id,
    'TRANSFER_IN'::text AS movement_type,
    transfer_order_lines.returned AS units
   FROM transfer_orders
     JOIN transfer_order_lines USING (transfer_id)
  WHERE transfer_orders.source_at IS NULL
UNION ALL
 SELECT 'cycle_count'::text AS kind,
    cycle_counts.count_id AS id,
    cycle_counts.warehouse_id,
    line.product_id,
    'ADJUSTMENT'::text AS movement_type,
    line.delta AS units
   FROM cycle_counts
     JOIN cycle_count_lines line USING (count_id)
  WHERE line.status = 'POSTED'::text
UNION ALL
 SELECT 'customer_return'::text AS kind,
    returns.return_id AS id,
    returns.warehouse_id,
    return_lines.product_id,
    'RETURN'::text AS movement_type,
    return_lines.restocked AS units
   FROM returns
     JOIN return_lines USING (return_id)
UNION ALL
 SELECT 'adjustment'::text AS kind,
    adjustments.adjustment_id AS id,
    adjustments.warehouse_id,
    adjustment_lines.product_id,
    'ADJUSTMENT'::text AS movement_type,
    adjustment_lines.quantity AS units
   FROM adjustments
     JOIN adjustment_lines USING (adjustment_id)
  WHERE adjustments.status = 'POSTED'::text
UNION ALL
 SELECT 'inspection'::text AS kind,
    inspections.inspection_id AS id,
    inspections.warehouse_id,
    inspection_lines.product_id,
    'ADJUSTMENT'::text AS movement_type,
    inspection_lines.brought - inspection_lines.scrapped AS units
   FROM inspections
     JOIN inspection_lines USING (inspection_id);
GRANT SELECT ON documents_say TO stockkeeper_worker;

CREATE VIEW items_below AS
 SELECT warehouse_id,
    product_id,
    quantity_available,
    reorder_point,
    reorder_quantity,
    is_active,
    supplier_id,
    unit_cost,
    lead_time_days,
    minimum_order_quantity,
    pack_size,
    on_order,
    in_transit,
    price_breaks
   FROM orderable_items
  WHERE is_below_reorder_point;
GRANT SELECT ON items_below TO stockkeeper_worker;

CREATE VIEW orderable_items AS
 SELECT item.warehouse_id,
    item.product_id,
    item.quantity_available,
    item.reorder_point,
    item.reorder_quantity,
    products.is_active,
    chosen.supplier_id,
    chosen.unit_cost,
    chosen.lead_time_days,
    chosen.minimum_order_quantity,
    chosen.pack_size,
    ordered.units AS on_order,
    coming.units AS in_transit,
    chosen.price_breaks,
    item.planning,
    item.is_below_reorder_point
   FROM inventory_items item
     JOIN products USING (product_id)
     LEFT JOIN LATERAL ( SELECT known.product_id,
            known.supplier_id,
            known.is_preferred,
            known.unit_cost,
            known.lead_time_days,
            known.lead_time_deviation_days,
            known.minimum_order_quantity,
            known.pack_size,
            known.lead_times_measured,
            known.measured_lead_time_days,
            known.measured_lead_time_deviation_days,
            known.last_unit_cost,
            known.price_breaks
           FROM product_suppliers known
          WHERE known.product_id = item.product_id
          ORDER BY known.is_preferred DESC, known.unit_cost, known.supplier_id
         LIMIT 1) chosen ON true
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(line.qty - line.quantity_received), 0::numeric)::bigint AS units
           FROM purchase_order_lines line
             JOIN purchase_orders po USING (po_id)
          WHERE line.product_id = item.product_id AND line.quantity_received < line.qty AND po.warehouse_id = item.warehouse_id AND (po.status = ANY (ARRAY['DRAFT'::text, 'SUBMITTED'::text, 'CONFIRMED'::text]))) ordered
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(line.in_transit), 0::numeric)::bigint AS units
           FROM transfer_order_lines line
             JOIN transfer_orders moved USING (transfer_id)
          WHERE line.product_id = item.product_id AND line.in_transit > 0 AND moved.to_warehouse_id = item.warehouse_id) coming;
GRANT SELECT ON orderable_items TO stockkeeper_worker;

CREATE VIEW transfer_holds AS
 SELECT transfer_orders.transfer_id,
    row_number() OVER (PARTITION BY transfer_orders.transfer_id ORDER BY held.reservation_id)::integer AS line_number,
    held.quantity AS asked,
    held.quantity_fulfilled AS departed,
        CASE
            WHEN held.status = 'ACTIVE'::text THEN held.quantity - held.quantity_fulfilled - held.quantity_released
            ELSE 0::bigint
        END AS held
   FROM transfer_orders
     JOIN reservations held ON held.reference_type = 'TRANSFER'::text AND held.reference_id = transfer_orders.transfer_number
UNION ALL
 SELECT transfer_orders.transfer_id,
    transfer_order_lines.line_number,
    transfer_order_lines.quantity AS asked,
    transfer_order_lines.dispatched AS departed,
    transfer_order_lines.held_elsewhere AS held
   FROM transfer_orders
     JOIN transfer_order_lines USING (transfer_id)
  WHERE transfer_orders.source_at IS NOT NULL;
GRANT SELECT ON transfer_holds TO stockkeeper_worker;

CREATE VIEW warehouse_places AS
 SELECT warehouses.warehouse_id,
    warehouses.name,
        CASE
            WHEN moved.version >= COALESCE(home.version, 0::bigint) THEN moved.task_queue
            ELSE COALESCE(home.task_queue, here.catalogue)
        END AS task_queue,
    GREATEST(home.version,
        CASE
            WHEN moved.state = ANY (ARRAY['GONE'::text, 'HERE'::text]) THEN moved.version
            ELSE NULL::bigint
        END, 0::bigint) AS version
   FROM warehouses
     LEFT JOIN warehouse_homes home USING (warehouse_id)
     LEFT JOIN warehouse_moves moved USING (warehouse_id)
     LEFT JOIN this_database here ON true;
GRANT SELECT ON warehouse_places TO stockkeeper_worker;

CREATE VIEW reporting.daily_demand AS
 SELECT daily_demand.warehouse_id,
    warehouses.name AS warehouse,
    daily_demand.product_id,
    products.sku,
    daily_demand.day,
    daily_demand.quantity
   FROM daily_demand
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.daily_demand TO stockkeeper_reader;

CREATE VIEW reporting.events AS
 SELECT number,
    'stockkeeper.'::text || kind AS type,
    COALESCE(data ->> 'sku'::text, data ->> 'number'::text, data ->> 'reference_id'::text, data ->> 'warehouse'::text, data ->> 'finding_id'::text, subject) AS subject,
    subject AS partition_key,
    warehouse_id,
    product_id,
    data,
    happened_at
   FROM events;
GRANT SELECT ON reporting.events TO stockkeeper_reader;

CREATE VIEW reporting.holds AS
 SELECT reservations.reservation_id,
    reservations.warehouse_id,
    warehouses.name AS warehouse,
    reservations.product_id,
    products.sku,
    reservations.reference_type,
    reservations.reference_id,
    reservations.status,
    reservations.quantity,
    reservations.quantity_fulfilled,
    reservations.quantity_released,
    reservations.created_at,
    reservations.expires_at,
    reservations.closed_at
   FROM reservations
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.holds TO stockkeeper_reader;

CREATE VIEW reporting.ledger AS
 SELECT stock_movements.movement_id,
    stock_movements.created_at,
    products.sku,
    warehouses.name AS warehouse,
    stock_movements.movement_type,
    stock_movements.quantity,
    stock_movements.balance_after,
    stock_movements.reference_id,
    stock_movements.performed_by,
    stock_movements.reason,
    stock_movements.operation_id,
    stock_movements.workflow_id,
    stock_movements.run_id,
    stock_movements.occurred_at,
    stock_movements.lot_number
   FROM stock_movements
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.ledger TO stockkeeper_exporter;

CREATE VIEW reporting.levels AS
 SELECT item.warehouse_id,
    warehouses.name AS warehouse,
    item.product_id,
    products.sku,
    item.quantity_on_hand,
    item.quantity_reserved,
    item.quantity_buffer,
    item.quantity_available - unusable.units AS quantity_available,
    item.reorder_point,
    item.reorder_quantity,
    COALESCE((item.quantity_available - unusable.units) < item.reorder_point, false) AS is_below_reorder_point,
    item.last_moved_at,
    item.last_counted_at,
    item.quantity_unavailable + unusable.units AS quantity_unavailable,
    item.is_tracked
   FROM inventory_items item
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id)
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN item.is_tracked THEN ( SELECT COALESCE(sum(held.quantity_on_hand - held.quantity_reserved - held.quantity_unavailable), 0::numeric)::bigint AS "coalesce"
                       FROM lot_items held
                         JOIN lots USING (product_id, lot_number)
                      WHERE held.warehouse_id = item.warehouse_id AND held.product_id = item.product_id AND held.quantity_on_hand > 0 AND (lots.status <> 'AVAILABLE'::text OR lots.expires_on < (now() AT TIME ZONE warehouses.timezone)::date OR COALESCE(lots.expires_on, lots.best_before) < ((now() AT TIME ZONE warehouses.timezone)::date + products.minimum_days_left)))
                    ELSE 0::bigint
                END AS units) unusable;
GRANT SELECT ON reporting.levels TO stockkeeper_reader;

CREATE VIEW reporting.lots AS
 SELECT item.warehouse_id,
    warehouses.name AS warehouse,
    item.product_id,
    products.sku,
    item.lot_number,
    lots.expires_on,
    lots.best_before,
    lots.made_on,
    lots.status,
    item.quantity_on_hand,
    item.quantity_reserved,
    item.quantity_unavailable,
    item.last_moved_at,
    item.quantity_on_hand - item.quantity_reserved - item.quantity_unavailable AS quantity_free,
    COALESCE(lots.expires_on, lots.best_before) - (now() AT TIME ZONE warehouses.timezone)::date AS days_left,
    lots.supplier_id,
    lots.receipt,
    lots.created_at AS came_at
   FROM lot_items item
     JOIN lots USING (product_id, lot_number)
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.lots TO stockkeeper_reader;

CREATE VIEW reporting.movements AS
 SELECT stock_movements.movement_id,
    stock_movements.created_at,
    stock_movements.occurred_at,
    stock_movements.warehouse_id,
    warehouses.name AS warehouse,
    stock_movements.product_id,
    products.sku,
    stock_movements.movement_type,
    stock_movements.quantity,
    stock_movements.balance_after,
    stock_movements.reference_id,
    stock_movements.lot_number,
    stock_movements.lot_balance_after
   FROM stock_movements
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.movements TO stockkeeper_reader;

CREATE VIEW reporting.plans AS
 SELECT item_plans.warehouse_id,
    warehouses.name AS warehouse,
    item_plans.product_id,
    products.sku,
    item_plans.supplier_id,
    item_plans.planned_at,
    item_plans.days,
    item_plans.method,
    item_plans.demand_class,
    item_plans.service_measure,
    item_plans.service_level,
    item_plans.daily_mean,
    item_plans.daily_deviation,
    item_plans.lead_time_days,
    item_plans.lead_time_deviation_days,
    item_plans.safety_stock,
    item_plans.reorder_point,
    item_plans.reorder_quantity,
    item_plans.economic_order_quantity,
    item_plans.expected_cycle_service,
    item_plans.expected_fill_rate
   FROM item_plans
     JOIN products USING (product_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.plans TO stockkeeper_reader;

CREATE VIEW reporting.products AS
 SELECT product_id,
    sku,
    name,
    description,
    category_id,
    unit_price,
    weight_kg,
    is_active,
    base_unit
   FROM products;
GRANT SELECT ON reporting.products TO stockkeeper_reader;

CREATE VIEW reporting.purchase_order_lines AS
 SELECT purchase_orders.po_number,
    purchase_order_lines.line_number,
    purchase_orders.status,
    purchase_orders.supplier_id,
    suppliers.name AS supplier,
    purchase_orders.warehouse_id,
    warehouses.name AS warehouse,
    purchase_order_lines.product_id,
    products.sku,
    purchase_order_lines.qty,
    purchase_order_lines.quantity_received,
    purchase_order_lines.quantity_rejected,
    purchase_order_lines.quantity_returned,
    purchase_orders.expected_delivery_date,
    purchase_orders.created_at,
    purchase_orders.submitted_at,
    purchase_orders.confirmed_at,
    purchase_orders.closed_at
   FROM purchase_order_lines
     JOIN purchase_orders USING (po_id)
     JOIN products USING (product_id)
     JOIN suppliers USING (supplier_id)
     JOIN warehouses USING (warehouse_id);
GRANT SELECT ON reporting.purchase_order_lines TO stockkeeper_reader;

CREATE VIEW reporting.suppliers AS
 SELECT supplier_id,
    name
   FROM suppliers;
GRANT SELECT ON reporting.suppliers TO stockkeeper_reader;

CREATE VIEW reporting.transfer_lines AS
 SELECT transfer_orders.transfer_number,
    transfer_order_lines.line_number,
    transfer_orders.status,
    transfer_orders.from_warehouse_id,
    source.name AS from_warehouse,
    transfer_orders.to_warehouse_id,
    destination.name AS to_warehouse,
    transfer_order_lines.product_id,
    products.sku,
    transfer_order_lines.quantity,
    transfer_order_lines.dispatched,
    transfer_order_lines.received,
    transfer_order_lines.damaged,
    transfer_order_lines.written_off,
    transfer_order_lines.returned,
    transfer_order_lines.in_transit,
    transfer_orders.created_at,
    transfer_orders.dispatched_at,
    transfer_orders.due_at,
    transfer_orders.closed_at
   FROM transfer_order_lines
     JOIN transfer_orders USING (transfer_id)
     JOIN products USING (product_id)
     JOIN warehouses source ON source.warehouse_id = transfer_orders.from_warehouse_id
     JOIN warehouses destination ON destination.warehouse_id = transfer_orders.to_warehouse_id;
GRANT SELECT ON reporting.transfer_lines TO stockkeeper_reader;

CREATE VIEW reporting.warehouses AS
 SELECT warehouse_id,
    name,
    timezone,
    priority
   FROM warehouses;
GRANT SELECT ON reporting.warehouses TO stockkeeper_reader;
