"""The formats of vendors' keys: a name, how the key begins, and the rest as a pattern.

Written from vendors' documentation and from what their consoles hand out. A format is listed where its
beginning or its structure is telling; values without either are found by the name they are assigned to
(see `_secrets`), and `NAMED` lists the vendors whose name makes a plain value a key.
"""

# ruff: noqa: E501 - a table reads best with one entry on one line

from __future__ import annotations

import functools
import re

_PREFIXED = r"""
adafruit_io             aio_            [A-Za-z0-9]{28}
adobe_client_secret     p8e-            [A-Za-z0-9]{32}
age_secret_key          AGE-SECRET-KEY- 1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}
airtable_pat            pat             [A-Za-z0-9]{14}\.[a-f0-9]{64}
aiven_token             AVNS_           [A-Za-z0-9_-]{16,24}
alibaba_access_key      LTAI            [A-Za-z0-9]{12,26}
anthropic_key           sk-ant-         (?:api|admin|sid|oat)\d{2}-[A-Za-z0-9_-]{32,120}
anthropic_legacy_key    sk-ant-         [A-Za-z0-9_-]{32,120}
anyscale_key            esecret_        [A-Za-z0-9]{20,40}
apify_token             apify_api_      [A-Za-z0-9]{30,40}
artifactory_key         AKC             [A-Za-z0-9]{60,90}
artifactory_reference   cmVmd           [A-Za-z0-9]{59}
asana_pat               1/              \d{13,19}(?:/\d{13,19})?:[a-f0-9]{32}
asana_pat               2/              \d{13,19}(?:/\d{13,19})?:[a-f0-9]{32}
atlassian_token         ATATT3          [A-Za-z0-9_\-=]{60,240}
atlassian_connect       ATCTT3          [A-Za-z0-9_\-=]{60,240}
atlassian_bitbucket     ATBB            [A-Za-z0-9_\-=]{24,40}
authress_service_key    sc_             [a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][a-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}
aws_access_key          A3T             [A-Z0-9][A-Z0-9]{16}
aws_access_key          AKIA            [A-Z2-7]{16}
aws_session_key         ASIA            [A-Z2-7]{16}
aws_bearer_key          ABIA            [A-Z2-7]{16}
aws_context_key         ACCA            [A-Z2-7]{16}
aws_bedrock_key         ABSK            [A-Za-z0-9+/]{90,269}={0,2}
aws_bedrock_short_key   bedrock-api-key- [A-Za-z0-9+/=]{40,400}
brevo_key               xkeysib-        [a-f0-9]{64}-[A-Za-z0-9]{16}
brevo_smtp_key          xsmtpsib-       [a-f0-9]{64}-[A-Za-z0-9]{16}
browserbase_key         bb_live_        [A-Za-z0-9_-]{20,40}
buildkite_token         bkua_           [a-f0-9]{40}
buildkite_agent         bkagent_        [a-f0-9]{40}
canva_secret            cnvca           [A-Za-z0-9_-]{40,60}
cerebras_key            csk-            [a-z0-9]{48}
checkly_key             cu_             [a-f0-9]{32}
circleci_pat            CCIPAT_         [A-Za-z0-9]{22}_[a-f0-9]{40}
circleci_project        CCIPRJ_         [A-Za-z0-9]{22}_[a-f0-9]{40}
clerk_key               sk_live_        [A-Za-z0-9]{40,60}
clerk_key               sk_test_        [A-Za-z0-9]{40,60}
clickhouse_cloud        4b1d            [A-Za-z0-9]{38}
clickup_token           pk_             \d{6,9}_[A-Z0-9]{32}
clojars_token           CLOJARS_        [a-z0-9]{60}
cloudflare_origin_ca    v1\.0-          [a-f0-9]{24}-[a-f0-9]{146}
cloudflare_user_token   cfut_           [A-Za-z0-9_-]{40,60}
cloudflare_account      cfat_           [A-Za-z0-9_-]{40,60}
coda_key                coda_           [a-f0-9-]{36}
cockroach_key           CCDB1_          [A-Za-z0-9]{22}_[A-Za-z0-9]{40}
composio_key            ak_             [A-Za-z0-9_-]{20,40}
contentful_pat          CFPAT-          [A-Za-z0-9_-]{43,64}
coveralls_token         cvr_            [A-Za-z0-9]{32,40}
databricks_token        dapi            [a-f0-9]{32}(?:-\d)?
databricks_oauth        dose            [a-f0-9]{32}
defined_networking      dnkey-          [A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}
deno_token              ddp_            [A-Za-z0-9]{36}
deno_organisation       ddo_            [A-Za-z0-9]{36}
digitalocean_token      dop_v1_         [a-f0-9]{64}
digitalocean_oauth      doo_v1_         [a-f0-9]{64}
digitalocean_refresh    dor_v1_         [a-f0-9]{64}
digitalocean_spaces     DO00            [A-Z0-9]{16}
discord_bot_token       MD              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       MT              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       Mj              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       Mz              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       ND              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       NT              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       Nj              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       Nz              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       OD              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
discord_bot_token       OT              [A-Za-z0-9_-]{22,24}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}
docker_pat              dckr_pat_       [A-Za-z0-9_-]{27}
docker_oat              dckr_oat_       [A-Za-z0-9_-]{32}
docker_swarm_join       SWMTKN-         1-[a-z0-9]{50}-[a-z0-9]{25}
docker_swarm_key        SWMKEY-         1-[A-Za-z0-9+/]{43}
doppler_token           dp\.            (?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}
dropbox_token           sl\.            [A-Za-z0-9_=-]{100,200}
duffel_token            duffel_         (?:test|live)_[A-Za-z0-9_=-]{43}
dynatrace_token         dt0[a-z]\d\d\.  [A-Z0-9]{24}\.[A-Z0-9]{64}
easypost_key            EZAK            [A-Za-z0-9]{54}
easypost_test_key       EZTK            [A-Za-z0-9]{54}
elevenlabs_key          sk_             [a-f0-9]{48}
endor_labs_key          endr\+          [A-Za-z0-9-]{16}
exoscale_key            EXO             [a-f0-9]{24,26}
facebook_app_token      EAA             [A-Za-z0-9]{80,220}
facebook_instagram      IGQV            [A-Za-z0-9_-]{80,220}
figma_pat               figd_           [A-Za-z0-9_-]{40,48}
figma_oauth             figo_           [A-Za-z0-9_-]{38,48}
figma_header_token      fig[ruh]_       [A-Za-z0-9_-]{38,52}
fireworks_key           fw_             [A-Za-z0-9]{22,28}
firecrawl_key           fc-             [a-f0-9]{32}
flutterwave_key         FLWSECK-        [a-f0-9]{32}-X
flutterwave_test_key    FLWSECK_TEST-   [a-f0-9]{32}-X
flyio_macaroon          fm[12][ar]?_    [A-Za-z0-9+/_=-]{80,400}
frameio_token           fio-u-          [A-Za-z0-9_=-]{64}
freemius_secret         sk_             [A-Za-z0-9~!@#$%^&*_=-]{29}
gcp_api_key             AIza            [A-Za-z0-9_-]{35}
gcp_agent_key           AQ\.            [A-Za-z0-9_-]{40,60}
gcp_oauth_secret        GOCSPX-         [A-Za-z0-9_-]{28}
gcp_oauth_token         ya29\.          [A-Za-z0-9_-]{40,240}
gcp_refresh_token       1//0            [A-Za-z0-9_-]{40,110}
gcp_hmac_key            GOOG            [A-Z0-9]{10,60}
gitea_token             gta_            [a-f0-9]{40}
github_app_token        ghu_            [A-Za-z0-9]{36}
github_oauth            gho_            [A-Za-z0-9]{36}
github_pat              ghp_            [A-Za-z0-9]{36}
github_refresh_token    ghr_            [A-Za-z0-9]{36,76}
github_server_token     ghs_            [A-Za-z0-9]{36}
github_fine_grained_pat github_pat_     [A-Za-z0-9]{22}_[A-Za-z0-9]{59}
github_fine_grained_pat github_pat_     [A-Za-z0-9_]{60,90}
gitlab_cicd_job         glcbt-          [A-Za-z0-9]{1,5}_[A-Za-z0-9_-]{20}
gitlab_deploy           gldt-           [A-Za-z0-9_-]{20}
gitlab_feature_flag     glffct-         [A-Za-z0-9_-]{20}
gitlab_feed             glft-           [A-Za-z0-9_-]{20}
gitlab_incoming_mail    glimt-          [A-Za-z0-9_-]{25}
gitlab_kubernetes       glagent-        [A-Za-z0-9_-]{50}
gitlab_oauth_app        gloas-          [A-Za-z0-9_-]{64}
gitlab_pat              glpat-          [A-Za-z0-9_-]{20,64}(?:\.[0-9a-z]{2}\.?[0-9a-z]{7,9})?
gitlab_pipeline         glptt-          [a-f0-9]{40}
gitlab_registration     GR1348941       [A-Za-z0-9_-]{20}
gitlab_runner           glrt-           [A-Za-z0-9_-]{20,27}
gitlab_runner_registr   glrtr-          [A-Za-z0-9_-]{20,27}
gitlab_scim             glsoat-         [A-Za-z0-9_-]{20}
gitlab_session          _gitlab_session= [a-f0-9]{32}
gocardless_token        live_           [A-Za-z0-9_=-]{40}
grafana_api_key         eyJrIjoi        [A-Za-z0-9+/]{60,400}={0,2}
grafana_cloud           glc_            [A-Za-z0-9+/]{32,400}={0,2}
grafana_service         glsa_           [A-Za-z0-9]{32}_[A-Fa-f0-9]{8}
groq_key                gsk_            [A-Za-z0-9]{48,56}
harness_pat             pat\.           [A-Za-z0-9_-]{22}\.[a-f0-9]{24}\.[A-Za-z0-9]{20}
harness_sat             sat\.           [A-Za-z0-9_-]{22}\.[a-f0-9]{24}\.[A-Za-z0-9]{20}
helicone_key            sk-helicone-    [a-z0-9-]{20,50}
heroku_key              HRKU-           [A-Za-z0-9_-]{36,64}
hubspot_pat             pat-            (?:na|eu|ap)\d-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}
huggingface_token       hf_             [A-Za-z]{34}
huggingface_org         api_org_        [A-Za-z]{34}
infisical_token         st\.            [a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}
infracost_key           ico-            [A-Za-z0-9]{32}
intercom_token          dG9r            Ol[A-Za-z0-9+/]{50,70}={0,2}
intra42_secret          s-s4t2          (?:ud|af)-[a-f0-9]{64}
jfrog_token             eyJ2ZXIi        [A-Za-z0-9_-]{60,200}\.[A-Za-z0-9_-]{60,400}
jina_key                jina_           [A-Za-z0-9_-]{44,64}
klaviyo_key             pk_             [a-f0-9]{34}
langchain_key           lsv2_           (?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}
langchain_legacy_key    ls__            [a-f0-9]{32}
langfuse_secret         sk-lf-          [a-f0-9-]{36}
launchdarkly_api        api-            [a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}
launchdarkly_sdk        sdk-            [a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}
launchdarkly_mobile     mob-            [a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}
linear_key              lin_api_        [A-Za-z0-9]{40}
linear_oauth            lin_oauth_      [a-f0-9]{64}
localstack_token        ls-             [A-Za-z0-9]{8,12}-[A-Za-z0-9-]{20,40}
lob_key                 live_           [a-f0-9]{35}
lob_test_key            test_           [a-f0-9]{35}
mailgun_key             key-            [a-f0-9]{32}
mailersend_key          mlsn\.          [a-f0-9]{64}
mapbox_secret_token     sk\.eyJ         [A-Za-z0-9_-]{60,120}\.[A-Za-z0-9_-]{22}
mem0_key                m0-             [A-Za-z0-9]{40}
mercadopago_token       APP_USR-        \d{10,20}-\d{6}-[a-f0-9]{32}-\d{6,12}
mercury_token           secret-token:   mercury_(?:production|sandbox)_[A-Za-z0-9_]{30,90}
metabase_key            mb_             [A-Za-z0-9+/=]{44}
mistral_agent_key       ag:             [a-f0-9]{8}:\d{8}:[a-z0-9-]{1,40}:[a-f0-9]{8}
modal_token             ak-             [A-Za-z0-9]{22}
modal_secret            as-             [A-Za-z0-9]{22}
mongodb_atlas_service   mdb_sa_sk_      [A-Za-z0-9_-]{40}
monday_token            eyJhbGciOiJIUzI1NiJ9\.eyJ0aWQi [A-Za-z0-9_-]{20,300}\.[A-Za-z0-9_-]{43}
nats_seed               SU              [A-Z2-7]{56}
nats_seed               SA              [A-Z2-7]{56}
nats_seed               SN              [A-Z2-7]{56}
nats_seed               SO              [A-Z2-7]{56}
nats_seed               SC              [A-Z2-7]{56}
nats_seed               SP              [A-Z2-7]{56}
nats_seed               SX              [A-Z2-7]{56}
neon_key                napi_           [a-z0-9]{64}
netlify_pat             nfp_            [A-Za-z0-9]{36}
netlify_other           nf[ocub]_       [A-Za-z0-9]{36}
newrelic_user_key       NRAK-           [A-Z0-9]{27}
newrelic_admin_key      NRAA-           [a-f0-9]{27}
newrelic_browser_key    NRJS-           [a-f0-9]{19}
newrelic_insert_key     NRII-           [A-Za-z0-9_-]{32}
newrelic_query_key      NRIQ-           [A-Za-z0-9_-]{32}
ngrok_key               ak_             [A-Za-z0-9]{27,30}
notion_token            ntn_            [A-Za-z0-9]{40,50}
notion_secret           secret_         [A-Za-z0-9]{43}
npm_token               npm_            [A-Za-z0-9]{36}
nvidia_key              nvapi-          [A-Za-z0-9_-]{60,70}
octopus_key             API-            [A-Z0-9]{26}
okta_token              00              [A-Za-z0-9_-]{40}(?![A-Za-z0-9_-])
onepassword_service     ops_            eyJ[A-Za-z0-9+/]{200,400}={0,3}
onepassword_secret_key  A3-             [A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}
openai_project_key      sk-proj-        [A-Za-z0-9_-]{40,180}
openai_service_key      sk-svcacct-     [A-Za-z0-9_-]{40,180}
openai_admin_key        sk-admin-       [A-Za-z0-9_-]{40,180}
openai_none_key         sk-None-        [A-Za-z0-9_-]{40,180}
openai_legacy_key       sk-             [A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}
openai_compatible_key   sk-             [A-Za-z0-9]{32,64}
openrouter_key          sk-or-          v1-[a-f0-9]{64}
openshift_token         sha256~         [A-Za-z0-9_-]{43}
paddle_key              pdl_            (?:live|sdbx)_(?:apikey|ntfset)_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}
paypal_braintree_token  access_token\$  (?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}
paystack_key            sk_             (?:live|test)_[a-f0-9]{40}
perplexity_key          pplx-           [A-Za-z0-9]{48,56}
pinecone_key            pcsk_           [A-Za-z0-9]{5,7}_[A-Za-z0-9]{60,64}
plaid_token             access-         (?:sandbox|development|production)-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}
planetscale_password    pscale_pw_      [A-Za-z0-9_.=-]{32,64}
planetscale_token       pscale_tkn_     [A-Za-z0-9_.=-]{32,64}
planetscale_oauth       pscale_oauth_   [A-Za-z0-9_.=-]{32,64}
polar_token             polar_          (?:oat|pat|cs|whs)_[A-Za-z0-9_]{40,50}
posthog_personal        phx_            [A-Za-z0-9]{43,48}
posthog_project         phs_            [A-Za-z0-9]{43,48}
postman_key             PMAK-           [a-f0-9]{24}-[a-f0-9]{34}
prefect_key             pn[ub]_         [A-Za-z0-9]{36}
pulumi_token            pul-            [a-f0-9]{40}
pypi_token              pypi-           AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,240}
pypi_test_token         pypi-           AgENdGVzdC5weXBpLm9yZ[A-Za-z0-9_-]{50,240}
ramp_secret             ramp_           (?:sec|id|tok|business_tok)_[A-Za-z0-9]{30,60}
raycast_token           rca_            [a-f0-9]{64}
razorpay_key            rzp_            (?:live|test)_[A-Za-z0-9]{14,24}
readme_key              rdme_           [a-z0-9]{70}
render_key              rnd_            [A-Za-z0-9]{28,36}
replicate_token         r8_             [A-Za-z0-9]{37,40}
resend_key              re_             [A-Za-z0-9]{8,10}_[A-Za-z0-9]{20,28}
retellai_key            key_            [a-f0-9]{28,32}
robinhood_key           rh-api-         [a-f0-9-]{36}
rubygems_key            rubygems_       [a-f0-9]{48}
runpod_key              rpa_            [A-Z0-9]{40,48}
salesforce_token        00D             [A-Za-z0-9]{12}![A-Za-z0-9._]{60,120}
sambanova_token         snova_          [A-Za-z0-9]{32,48}
scaleway_key            SCW             [A-Z0-9]{17}
scalingo_token          tk-us-          [A-Za-z0-9_-]{48}
segment_token           sgp_            [A-Za-z0-9]{64}
sendgrid_key            SG\.            [A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}
sentry_org_token        sntrys_         eyJpYXQiO[A-Za-z0-9+/=_-]{60,300}
sentry_user_token       sntryu_         [a-f0-9]{64}
sentry_internal_token   sntryi_         [a-f0-9]{64}
shippo_token            shippo_         (?:live|test)_[a-f0-9]{40}
shopify_access          shpat_          [a-fA-F0-9]{32}
shopify_custom_app      shpca_          [a-fA-F0-9]{32}
shopify_private_app     shppa_          [a-fA-F0-9]{32}
shopify_shared_secret   shpss_          [a-fA-F0-9]{32}
shopify_partner         prtapi_         [a-fA-F0-9]{32}
slack_app_token         xapp-           \d-[A-Z0-9]{8,14}-\d{10,14}-[a-f0-9]{60,68}
slack_bot_token         xoxb-           \d{10,13}-(?:\d{10,13}-)?[A-Za-z0-9]{18,32}
slack_config_token      xoxe\.          (?:xox[bp]-)?\d-[A-Za-z0-9]{140,180}
slack_refresh_token     xoxe-           \d-[A-Za-z0-9]{140,180}
slack_legacy_token      xox[osar]-      (?:\d-)?[A-Za-z0-9-]{10,90}
slack_cookie            xoxd-           [A-Za-z0-9%+/=-]{60,240}
slack_client_token      xoxc-           \d{9,13}-\d{9,13}-\d{9,13}-[a-f0-9]{64}
slack_user_token        xoxp-           (?:\d{10,13}-){2,3}[A-Za-z0-9]{28,34}
snyk_token              snyk_           (?:uat|sat)\.[a-f0-9]{8}\.[A-Za-z0-9_.-]{40,240}
sonar_token             sq[pua]_        [a-f0-9]{40}
sourcegraph_token       sgp_            (?:[a-f0-9]{16}|local)_[a-f0-9]{40}
sourcegraph_legacy      sgp_            [a-f0-9]{40}
sourcegraph_cody        slk_            [a-f0-9]{64}
sourcegraph_dotcom      sgd_            [a-f0-9]{64}
square_access_token     EAAA            [A-Za-z0-9_-]{56,60}
square_oauth_secret     sq0csp-         [A-Za-z0-9_-]{43}
square_access_legacy    sq0atp-         [A-Za-z0-9_-]{22}
stripe_key              sk_live_        [A-Za-z0-9]{10,110}
stripe_key              sk_test_        [A-Za-z0-9]{10,110}
stripe_key              sk_prod_        [A-Za-z0-9]{10,110}
stripe_key              rk_live_        [A-Za-z0-9]{10,110}
stripe_key              rk_test_        [A-Za-z0-9]{10,110}
stripe_key              rk_prod_        [A-Za-z0-9]{10,110}
stripe_webhook          whsec_          [A-Za-z0-9+/=]{24,64}
supabase_pat            sbp_            (?:[a-z0-9]{1,10}_)?[a-f0-9]{40}
supabase_secret         sb_secret_      [A-Za-z0-9_-]{22}_[A-Za-z0-9_-]{8}
svix_key                testsk_         [A-Za-z0-9_.-]{30,60}
tailscale_key           tskey-          (?:api|auth|client|scim|webhook)-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{20,40}
tavily_key              tvly-           (?:dev-|prod-)?[A-Za-z0-9]{32}
together_key            tgp_v1_         [A-Za-z0-9_-]{43}
trello_token            ATTA            [a-f0-9]{64}[A-F0-9]{8}
trigger_dev_key         tr_             (?:dev|prod|stg|pat)_[A-Za-z0-9]{20,44}
tinybird_token          p\.eyJ          [A-Za-z0-9_-]{60,200}\.[A-Za-z0-9_-]{40,46}
twilio_key              SK              [a-f0-9]{32}
twitter_bearer          AAAAAAAAAAAAAAAAAAAAA [A-Za-z0-9%]{60,120}
typeform_pat            tfp_            [A-Za-z0-9_.=-]{44,64}
unkey_key               unkey_          [A-Za-z0-9]{20,40}
upstash_qstash          qstash_         [A-Za-z0-9]{30,60}
vault_batch_token       hvb\.           [A-Za-z0-9_-]{60,300}
vault_recovery_token    hvr\.           [A-Za-z0-9_-]{24,120}
vault_service_token     hvs\.           [A-Za-z0-9_-]{24,120}
vault_legacy_token      s\.             [A-Za-z0-9]{24}(?![A-Za-z0-9(.])
vercel_token            vc[picar]_      [A-Za-z0-9]{24,60}
vercel_ai_gateway       vck_            [A-Za-z0-9]{40,64}
vercel_blob             vercel_blob_rw_ [A-Za-z0-9]{16,20}_[A-Za-z0-9]{28,34}
volcengine_key          AKLT            [A-Za-z0-9_-]{40,60}
voyage_key              pa-             [A-Za-z0-9_-]{43}
wakatime_key            waka_           [a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}
webflow_token           ws-             [a-f0-9]{64}
wandb_key               wandb_v1_       [A-Za-z0-9_]{60,90}
workos_key              sk_             (?:live|test)_[A-Za-z0-9]{60,80}
xai_key                 xai-            [A-Za-z0-9]{70,90}
yandex_cloud_key        AQVN            [A-Za-z0-9_-]{35,38}
yandex_iam_token        t1\.            [A-Z0-9a-z_-]{20,160}={0,2}\.[A-Za-z0-9_-]{86}={0,2}
yandex_access_key       YC              [a-zA-Z0-9_-]{38}
yandex_oauth_token      y0_            [A-Za-z0-9_-]{54,58}
yandex_oauth_token      y1_            [A-Za-z0-9_-]{54,58}
yandex_oauth_token      y2_            [A-Za-z0-9_-]{54,58}
yandex_oauth_token      y3_            [A-Za-z0-9_-]{54,58}
zuplo_key               zpka_           [a-f0-9]{32}_[a-f0-9]{8}
"""

_ANYWHERE = (
    ("slack_webhook", "hooks.slack.com/", r"(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,60}"),
    ("discord_webhook", "/api/webhooks/", r"\d{17,20}/[A-Za-z0-9_-]{60,72}"),
    ("teams_webhook", "webhook.office.com/", r"webhookb2/[a-z0-9@-]{60,90}/IncomingWebhook/[a-z0-9]{32}/[a-z0-9-]{36}"),
    ("zapier_webhook", "hooks.zapier.com/", r"hooks/catch/\d{4,9}/[a-z0-9]{6,10}"),
    ("google_chat_webhook", "chat.googleapis.com/", r"v1/spaces/[\w-]{8,14}/messages\?key=[\w-]{39}&token=[\w%-]{40,60}"),
    ("make_webhook", ".make.com/", r"[a-z0-9]{32}"),
    ("ifttt_webhook", "maker.ifttt.com/", r"trigger/\w{1,40}/(?:json/)?with/key/[\w-]{20,45}"),
    ("feishu_webhook", "open.feishu.cn/", r"open-apis/bot/v2/hook/[a-f0-9-]{36}"),
    ("dingtalk_webhook", "oapi.dingtalk.com/", r"robot/send\?access_token=[a-f0-9]{64}"),
    ("azure_storage_key", "AccountKey=", r"[A-Za-z0-9+/]{86}=="),
    ("azure_shared_access_key", "SharedAccessKey=", r"[A-Za-z0-9+/]{43}="),
    ("azure_sas_signature", "sig=", r"[A-Za-z0-9%+/]{43,63}(?:%3D|=)"),
    ("aws_presigned_signature", "X-Amz-Signature=", r"[a-f0-9]{64}"),
    ("gcp_signed_url", "X-Goog-Signature=", r"[a-f0-9]{128,400}"),
    ("npm_legacy_auth", "_authToken=", r"[A-Za-z0-9-]{20,60}"),
    ("npm_basic_auth", "_auth=", r"[A-Za-z0-9+/]{12,120}={0,2}"),
)  # fmt: skip
"""Formats told by what stands before them inside a longer text."""

_AROUND = (
    ("azure_client_secret", "Q~", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}"),
    ("azure_devops_token", "AZDO", r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"),
    ("hashicorp_tf_token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}"),
    ("mailchimp_key", "-us", r"[a-f0-9]{32}-us\d{1,2}"),
    ("maxmind_key", "_mmk", r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk"),
    ("newrelic_license", "NRAL", r"[a-f0-9]{36}(?:FF|eu01xx)NRAL"),
    (
        "sidekiq_secret",
        ".contribsys.com",
        r"[a-f0-9]{8}:[a-f0-9]{8}(?=@(?:gems|enterprise)\.contribsys\.com)",
    ),
    ("telegram_bot_token", ":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{32,33}"),
)
"""Formats told by what stands in their middle or at their end."""

_APART = (
    ("docker_config_auth", '"auth":', r'"auth":\s{0,3}"([A-Za-z0-9+/]{16,120}={0,2})"'),
    ("flyio_token", "FlyV1 ", r"(FlyV1 (?:fm\d_)?[A-Za-z0-9+/_=,-]{60,400})"),
)
"""Formats with a blank in them: what they begin with, and the whole, in which group 1 is the secret."""

NAMED = (
    "airtable", "alchemy", "algolia", "amplitude", "anthropic", "asana", "auth0", "aws", "azure", "binance",
    "bitbucket", "bitly", "cloudflare", "cloudinary", "codecov", "cohere", "coinbase", "confluent",
    "datadog", "dd", "deepl", "deepseek", "digitalocean", "discord", "dnsimple", "docker", "dropbox",
    "elastic", "etherscan", "fastly", "finnhub", "firebase", "freshdesk", "gcp", "gemini", "github",
    "gitlab", "gitter", "google", "grafana", "groq", "heroku", "hf", "huggingface", "infura", "intercom",
    "jenkins", "jira", "kraken", "kucoin", "lastfm", "linkedin", "mailgun", "mailjet", "mapbox", "maps",
    "mattermost", "messagebird", "mistral", "mixpanel", "mongodb", "nasa", "netlify", "newrelic", "nexmo",
    "notion", "npm", "nytimes", "okta", "openai", "openrouter", "openweather", "opsgenie", "pagerduty",
    "paypal", "perplexity", "pinecone", "plaid", "postmark", "pusher", "pypi", "rapidapi", "replicate",
    "rollbar", "sauce", "sendgrid", "sentry", "shopify", "slack", "snyk", "sonar", "splunk", "spotify",
    "square", "stability", "stripe", "sumologic", "supabase", "telegram", "telnyx", "tmdb", "together",
    "travis", "trello", "twilio", "twitch", "twitter", "vercel", "vonage", "wandb", "xai", "yelp",
    "youtube", "zendesk", "zoom",
)  # fmt: skip
"""Vendors whose keys have no telling form: their name before "key", "secret" or "token" does."""


@functools.cache
def by_beginning() -> dict[str, tuple[tuple[str, re.Pattern[str]], ...]]:
    """Formats under the first two characters of what they match; what follows the prefix is group 1."""
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for line in _PREFIXED.strip().splitlines():
        name, prefix, body = line.split(None, 2)
        table.setdefault(prefix[:2], []).append((name, re.compile(rf"{prefix}({body})(?![A-Za-z0-9])")))
    return {key: tuple(formats) for key, formats in table.items()}


@functools.cache
def after_literal() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Name, literal, and the pattern of what follows the literal."""
    return tuple((name, literal, re.compile(body)) for name, literal, body in _ANYWHERE)


@functools.cache
def apart() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Name, beginning, and the pattern of the whole from the beginning on."""
    return tuple((name, literal, re.compile(body)) for name, literal, body in _APART)


@functools.cache
def around_literal() -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """Name, literal, and the pattern of the whole, which holds the literal."""
    return tuple(
        (name, literal, re.compile(rf"(?<![A-Za-z0-9]){body}(?![A-Za-z0-9])"))
        for name, literal, body in _AROUND
    )
